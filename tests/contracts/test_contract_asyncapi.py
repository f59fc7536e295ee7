"""The AsyncAPI document: valid in itself, complete, and strict enough to notice what a frame tells beyond it.

That every frame the tests receive fits it is seen in `tests/sockets.py`.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any
from uuid import UUID

import jsonschema
import msgspec
import pytest
from django.test import Client
from jsonschema_rs import ValidationError
from msgspec.structs import fields

from sessions import messages
from sessions.apidocs import asyncapi
from sessions.apidocs.asyncapi_schemas import type_of
from sessions.apidocs.openapi import COMPONENTS as OPENAPI_COMPONENTS
from sessions.frames import CLIENT_FRAMES, SERVER_FRAMES
from sessions.presentation import present_event
from synckairos import errors
from synckairos.close_codes import CloseCode, CloseReason
from synckairos.engine import commands, create_session
from synckairos.engine.controls import CONTROLS, Progress
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.stages import Stage, Stages
from synckairos.engine.events import EVENT_TYPES
from synckairos.engine.lag import compensate, open_account
from synckairos.engine.units import OutagePolicy, Status, SyncMode
from synckairos.http.openapi import ref
from tests import documented
from tests.servers import ROOT

DOCUMENT = asyncapi.document()
COMPONENTS = DOCUMENT["components"]
DESCRIPTION = DOCUMENT["channels"]["session"]["description"]
MESSAGES: dict[str, Any] = COMPONENTS["messages"]
EXAMPLES = [(name, example["name"], example["payload"]) for name in MESSAGES for example in MESSAGES[name]["examples"]]
SERVER_TYPES = {type_of(frame) for frame in SERVER_FRAMES}
CLIENT_TYPES = {type_of(frame) for frame in CLIENT_FRAMES}
FROM_SERVER_EXAMPLES = [example for example in EXAMPLES if example[0] in SERVER_TYPES]


def parts(node, path=""):
    """Every object of a document with its place."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from parts(value, f"{path}/{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from parts(value, f"{path}/{position}")


def at(reference):
    node = DOCUMENT
    for key in reference.removeprefix("#/").split("/"):
        node = node[key]
    return node


def names_of(references):
    return {reference["$ref"].rpartition("/")[2] for reference in references}


def test_the_document_is_asyncapi_3_and_has_its_parts():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"].keys() >= {"title", "version", "description"}
    assert DOCUMENT.keys() == {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    channel = DOCUMENT["channels"]["session"]
    assert channel["address"] == "/ws"
    query = channel["bindings"]["ws"]["query"]
    assert query["required"] == ["sessionId"]
    assert set(query["properties"]) == {"sessionId", "heartbeat", "ticket", "token"}


def test_every_reference_leads_somewhere():
    references = [node["$ref"] for _, node in parts(DOCUMENT) if "$ref" in node]
    assert len(references) > 100
    for reference in references:
        assert isinstance(at(reference), dict), reference


def test_every_schema_says_something():
    for path, node in parts(DOCUMENT["components"]["schemas"]):
        for name, schema in node.get("properties", {}).items() if path.count("/") == 1 else ():
            assert schema, (path, name)
            assert schema.keys() - {"description", "title", "default"}, (path, name)


def test_every_frame_of_the_catalogue_is_a_message_of_the_channel_and_nothing_else_is():
    assert set(MESSAGES) == SERVER_TYPES | CLIENT_TYPES == set(DOCUMENT["channels"]["session"]["messages"])
    for frame in (*SERVER_FRAMES, *CLIENT_FRAMES):
        message = MESSAGES[type_of(frame)]
        assert message["name"] == type_of(frame)
        assert message["summary"]
        schema = at(message["payload"]["$ref"])
        assert set(schema["properties"]) == {"type", *(field.encode_name for field in fields(frame))}
        assert schema["properties"]["type"] == {"const": type_of(frame)}


def test_every_operation_stands_on_messages_of_the_channel_and_none_is_left_over():
    mentioned = {"send": set(), "receive": set()}
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]
        assert channel == {"$ref": "#/channels/session"}
        mentioned[operation["action"]] |= names_of(operation["messages"])
        if "reply" in operation:
            assert operation["reply"]["channel"] == channel
            mentioned["send"] |= names_of(operation["reply"]["messages"])
    assert mentioned == {"send": SERVER_TYPES, "receive": CLIENT_TYPES}


def test_every_command_has_an_answer():
    answers = {
        asked: names_of(operation["reply"]["messages"])
        for operation in DOCUMENT["operations"].values()
        if operation["action"] == "receive"
        for asked in names_of(operation["messages"])
    }
    asked = CLIENT_TYPES - {"PING", "RECONNECT"}
    of_commands = {name: {"ACK", "ERROR"} for name in asked}
    assert answers == of_commands | {"PING": {"PONG"}, "RECONNECT": {"STATE_SYNC", "ERROR"}}


@pytest.mark.parametrize("strict", [False, True])
def test_every_schema_is_one_by_the_metaschema(strict):
    for schema in asyncapi.document(strict=strict)["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("name", "about", "payload"), EXAMPLES)
def test_every_example_fits_its_message(name, about, payload):
    documented.check(payload)
    assert payload["type"] == name
    jsonschema.Draft202012Validator(MESSAGES[name]["payload"] | {"components": COMPONENTS}).validate(payload)


def test_every_example_of_a_clients_frame_can_be_read():
    for name, _, payload in EXAMPLES:
        if name in CLIENT_TYPES:
            assert type_of(type(messages.read_client_frame(json.dumps(payload)))) == name


MADE_UP = {"metadata", "action_on_timeout", "action_applied", "details"}
"""Objects of clients, and the details of errors, which differ from code to code."""


def objects(node):
    """Every object in a frame whose fields are ours to name."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in MADE_UP:
                yield from objects(value)
    elif isinstance(node, list):
        for item in node:
            yield from objects(item)


@pytest.mark.parametrize(("name", "about", "payload"), FROM_SERVER_EXAMPLES)
def test_a_field_that_is_not_documented_is_noticed_wherever_it_stands_and_clients_are_told_to_ignore_it(
    name, about, payload
):
    count = len(list(objects(payload)))
    for position in range(count):
        broken = deepcopy(payload)
        list(objects(broken))[position]["surprise"] = 1
        with pytest.raises(ValidationError):
            documented.check(broken)
        jsonschema.Draft202012Validator(MESSAGES[name]["payload"] | {"components": COMPONENTS}).validate(broken)


@pytest.mark.parametrize(("name", "about", "payload"), FROM_SERVER_EXAMPLES)
def test_a_documented_field_that_is_missing_or_of_another_type_is_noticed(name, about, payload):
    (frame,) = (frame for frame in SERVER_FRAMES if type_of(frame) == name)
    for field in fields(frame):
        if field.required:
            with pytest.raises(ValidationError):
                documented.check({key: value for key, value in payload.items() if key != field.encode_name})
        if field.encode_name in payload:
            with pytest.raises(ValidationError):
                documented.check(payload | {field.encode_name: [{"surprise": True}]})


@pytest.mark.parametrize(
    ("frame", "field", "value"),
    [
        ("STATE_UPDATE", "sessionId", "7c0ffee0"),
        ("STATE_UPDATE", "version", 0),
        ("TIME_EXPIRED", "expired_at", "yesterday"),
        ("TIME_WARNING", "time_remaining_ms", -1),
        ("ERROR", "code", "OUR_FAULT"),
        ("PONG", "server_sent_ms", 0.5),
    ],
)
def test_a_value_that_cannot_be_is_noticed(frame, field, value):
    payload = next(payload for name, _, payload in EXAMPLES if name == frame)
    with pytest.raises(ValidationError):
        documented.check(payload | {field: value})


def test_a_frame_that_the_document_does_not_know_is_noticed():
    with pytest.raises(AssertionError, match="no such frame"):
        documented.check({"type": "SURPRISE"})


def event_of(name):
    """An event with a value of the right type in every field."""
    kind = EVENT_TYPES[name]
    seats = (
        commands.Seat(UUID(int=1), 60_000, group_id=UUID(int=2)),
        commands.Seat(UUID(int=3), 60_000, group_id=UUID(int=2)),
    )
    stages = Stages(stages=(Stage(time_ms=60_000, turns=40, control=Fischer(increment_ms=1)), Stage(time_ms=1)))
    created = create_session(
        commands.Create.of(
            SyncMode.PER_GROUP,
            seats,
            (commands.GroupBank(UUID(int=2), 60_000, Canadian(turns=3, period_ms=60_000)),),
            metadata={},
            time_control=stages,
            compensates_lag=True,
        ),
        session_id=UUID(int=9),
        epoch="e",
        now=0,
    ).events[0]
    if type(created) is kind:
        return created
    samples = {
        "on_timeout": True,
        "action_applied": {"type": "notify"},
        "participant": created.participants[0],
        "penalty_points": 10,
        "epoch": "4f0c2a9f",
        "parent_epoch": "4f0c2a9e",
        "policy": OutagePolicy.PAUSE,
        "progress": Progress("byo_yomi", periods=3),
        "lag": compensate(open_account(60_000), 5_000, 4_800, 100, limit_ms=100),
    }
    values = {
        field.name: samples.get(field.name, 1 if field.type == "int" or "_ms" in field.name else UUID(int=1))
        for field in fields(kind)
    }
    if "reason" in values:
        values["reason"] = "late"
    return kind(**values | {"sequence": 1, "version": 1, "at_ms": 1})


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_fits_and_one_with_a_field_of_another_kind_does_not(name):
    update = next(payload for kind, _, payload in EXAMPLES if kind == "STATE_UPDATE")
    event = json.loads(msgspec.json.encode(present_event(event_of(name))))
    assert event["type"] == name
    documented.check(update | {"events": [event]})
    for wrong in (event | {"surprise": 1}, event | {"type": "session.surprised"}, event | {"at": "soon"}):
        with pytest.raises(ValidationError):
            documented.check(update | {"events": [wrong]})
    for field in event:
        with pytest.raises(ValidationError):
            documented.check(update | {"events": [{key: value for key, value in event.items() if key != field}]})


def test_the_codes_of_errors_and_of_closes_are_all_there():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ApiError)]
    assert set(COMPONENTS["schemas"]["Error"]["properties"]["code"]["enum"]) == {kind.code for kind in kinds}
    told = asyncapi.close_codes()
    assert list(told) == list(CloseCode)
    for code, text in told.items():
        assert text
        (line,) = (line for line in DESCRIPTION.splitlines() if line.startswith(f"| {code.value} |"))
        assert line.endswith(f" | {text} |")
    for reason in CloseReason:
        assert f"`{reason.documented}`" in DESCRIPTION


def test_the_protocol_s_table_has_every_code_with_every_reason_and_no_other():
    text = (ROOT / "docs" / "protocol.md").read_text()
    table = text.partition("### Close codes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d{4}) \| ?(.*?) ?\|", table, re.MULTILINE)
    told = {(int(code), reason) for code, reasons in rows for reason in re.findall("`([^`]+)`", reasons)}
    sent = {(int(reason.code), reason.documented) for reason in CloseReason}
    refused = {(int(error.close_code), error.code) for error in errors.REFUSES_SOCKETS}
    assert told == sent | refused
    said_by_the_library = {CloseCode.PROTOCOL_ERROR, CloseCode.TOO_LARGE}
    assert {int(code) for code, reasons in rows if not reasons} == said_by_the_library  # without words
    assert {int(code) for code, _ in rows} == {*CloseCode} - {CloseCode.NO_SUCH_SESSION}  # which is reserved


def test_nobody_closes_a_socket_with_words_of_its_own():
    for path in (ROOT / "sessions").rglob("*.py"):
        assert not re.search(r"\b(force_close|refuse|close)\(\s*CloseCode", path.read_text()), path


def test_instants_and_names_are_told_precisely():
    properties = COMPONENTS["schemas"]["State"]["properties"]
    assert properties["created_at"] == {"type": "string", "format": "date-time"}
    assert {"type": "string", "format": "date-time"} in properties["deadline_at"]["anyOf"]
    assert properties["status"]["enum"] == list(Status)
    assert properties["sync_mode"]["enum"] == list(SyncMode)
    assert properties["session_id"] == {"type": "string", "format": "uuid"}


def test_every_time_control_is_a_component_by_itself_and_in_both_documents():
    ours, theirs = COMPONENTS["schemas"], OPENAPI_COMPONENTS
    for kind in CONTROLS:
        for schemas in (ours, theirs):
            assert schemas["TimeControl"]["anyOf"].count(ref(kind.__name__)) == 1
            assert set(schemas[kind.__name__]["properties"]) == {"type", *kind.__struct_fields__}
    assert len(ours["TimeControl"]["anyOf"]) == len(theirs["TimeControl"]["anyOf"]) == len(CONTROLS)
    tags = {str(kind.__struct_config__.tag): ref(kind.__name__)["$ref"] for kind in CONTROLS}
    assert theirs["TimeControl"]["discriminator"] == {"propertyName": "type", "mapping": tags}


@pytest.mark.parametrize("name", ["State", "Participant", "Group", "EventConfig", "EventParticipant", "EventGroup"])
def test_a_time_control_is_a_reference_wherever_it_is_shown(name):
    field = COMPONENTS["schemas"][name]["properties"]["time_control"]
    assert field.get("$ref", field.get("anyOf", [{}])[0].get("$ref")) == ref("TimeControl")["$ref"]


def test_fields_are_described_by_their_docstrings():
    schemas = COMPONENTS["schemas"]
    assert "FIDE" in schemas["Fischer"]["properties"]["increment_before_first_turn"]["description"]
    assert schemas["Overtime"]["properties"]["points_per_period"]["description"] == "Default: `10`."
    assert "left_ms" in schemas["CycleSwitchedEvent"]["properties"]["earned_ms"]["description"]
    assert "None" not in json.dumps(COMPONENTS["schemas"])


def test_both_documents_call_the_same_thing_by_the_same_name():
    ours, theirs = COMPONENTS["schemas"], OPENAPI_COMPONENTS
    same = {"State", "SwitchResult", "Participant", "Group"}
    assert same <= set(ours) & set(theirs)
    assert not [name for name in (*ours, *theirs) if name.endswith("View")]
    for name in same:
        assert set(ours[name]["properties"]) == set(theirs[name]["properties"])


def test_the_document_is_served_to_everybody_and_is_this_one():
    answer = Client().get("/asyncapi.json")
    assert (answer.status_code, answer["content-type"]) == (200, "application/json")
    assert answer.json() == DOCUMENT
    assert Client().head("/asyncapi.json").status_code == 200
    refused = Client().post("/asyncapi.json")
    assert (refused.status_code, refused["allow"]) == (405, "GET, HEAD")
    assert refused.json()["error"]["code"] == "METHOD_NOT_ALLOWED"
