"""docs/protocol.md against the two machine-readable documents, which other tests hold against the server; both ways."""

from __future__ import annotations

import re
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from sessions.apidocs.asyncapi import document as asyncapi
from sessions.apidocs.asyncapi_schemas import type_of
from sessions.frames import CLIENT_FRAMES, SERVER_FRAMES
from synckairos import errors
from synckairos.engine.events import EVENT_TYPES
from synckairos.http import cors
from synckairos.ratelimit import policies
from tests.markdown import codes, rows, section

DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
FRAMES: dict[str, Any] = asyncapi()["components"]["schemas"]
NAME = "docs/protocol.md"
GOOD = ("200", "201", "204", "304")
SPECIAL = ("createSession", "addParticipant")
"""Their bodies have a section of their own."""
ONE_OF = {
    "adjustParticipant": ("total_time_ms", "adjust_ms", "user_id"),
    "adjustClock": ("adjust_ms", "set_ms", "at_least_ms"),
}
"""Fields of which a body has exactly one."""


def addresses(cell):
    """Method and path of each address in a cell; `/pause` after `/start` takes its place."""
    found: list[tuple[str, str]] = []
    for code in codes(cell):
        method, _, path = code.rpartition(" ")
        if not method:
            method, path = found[-1][0], found[-1][1].rpartition("/")[0] + path
        found.append((method.lower(), path.replace("{id}", "{session_id}").replace("{pid}", "{participant_id}")))
    return found


def table():
    """Each address of the document with its cells."""
    found = {}
    for row in rows(section(NAME, "REST")):
        if re.match(r"`(GET|POST|PATCH|DELETE) /", row[0]):
            found |= dict.fromkeys(addresses(row[0]), row)
    return found


REST = table()
OPERATIONS = {
    (method, path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}
CREDENTIALS = [
    address for row in rows(section(NAME, "Credentials")) if "manage.py" not in row[0] for address in addresses(row[0])
]


def told(cell):
    """The fields that a cell names before its arrow, and whether each may be left out."""
    words = [word for code in codes(cell.partition("→")[0]) for word in re.split(r",\s*", code)]
    return {word.rstrip("?"): word.endswith("?") for word in words if re.fullmatch(r"[A-Za-z_-]+\??", word)}


def asked_of(schema):
    """The fields of a schema, and whether each may be left out."""
    return {name: name not in schema.get("required", ()) for name in schema["properties"]}


def test_every_address_is_in_the_document_and_every_documented_one_exists():
    assert set(REST) | set(CREDENTIALS) == set(OPERATIONS)


@pytest.mark.parametrize("address", REST, ids=" ".join)
def test_successes_are_the_documented_ones(address):
    good = {status for status in OPERATIONS[address]["responses"] if status in GOOD}
    assert set(re.findall(r"\b[23]\d\d\b", REST[address][1])) == good


@pytest.mark.parametrize("address", REST, ids=" ".join)
def test_fields_of_bodies_and_parameters_are_the_documented_ones(address):
    operation, cell = OPERATIONS[address], REST[address][2]
    named = told(cell)
    if "requestBody" in operation and operation["operationId"] not in SPECIAL:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        wanted = asked_of(SCHEMAS[reference.rpartition("/")[2]])
        wanted |= dict.fromkeys(ONE_OF.get(operation["operationId"], ()), False)
        assert {name: named.get(name) for name in wanted} == wanted
    query = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
    assert all(re.search(rf"\b{name}\b", cell) for name in query)


def fields_of(heading):
    """The fields of a table, those of things within it by the name of the thing."""
    found: dict[str, dict[str, bool]] = {"": {}}
    for row in rows(section(NAME, heading)):
        part = "participants" if row[0].startswith("`·") else ""
        for code in codes(row[0]):
            for word in re.split(r",\s*", code.removeprefix("· ")):
                name = re.sub(r"\[\]|\?", "", word)
                found.setdefault(part, {})[name] = word.endswith("?")
    return found


def test_the_fields_of_a_creation_are_the_documented_ones():
    found = fields_of("Creation")
    creation, seat = asked_of(SCHEMAS["CreateSessionRequest"]), asked_of(SCHEMAS["ParticipantRequest"])
    assert set(found[""]) == set(creation)
    assert {name for name, may in found[""].items() if not may} - {"participants"} == {"sync_mode"}
    assert found["participants"] == seat
    group = next(row for row in rows(section(NAME, "Creation")) if row[0] == "`groups[]?`")
    assert set(SCHEMAS["GroupRequest"]["properties"]) <= set(codes(group[1]))


def test_the_fields_of_a_state_are_the_documented_ones():
    found = fields_of("State")
    assert set(found[""]) == set(SCHEMAS["State"]["properties"])
    assert set(found["participants"]) == set(SCHEMAS["Participant"]["properties"])
    group = next(row for row in rows(section(NAME, "State")) if row[0] == "`groups[]`")
    assert set(SCHEMAS["Group"]["properties"]) == {word for code in codes(group[1]) for word in code.split(", ")}


@pytest.mark.parametrize(
    ("schema", "field"),
    [("CreateSessionRequest", "sync_mode"), ("CreateSessionRequest", "visibility"), ("State", "status")],
)
def test_the_choices_of_a_field_are_the_documented_ones(schema, field):
    heading = "State" if schema == "State" else "Creation"
    row = next(row for row in rows(section(NAME, heading)) if re.search(rf"\b{field}\b", row[0]))
    (reference,) = re.findall(r"schemas/(\w+)", str(SCHEMAS[schema]["properties"][field]))
    assert set(SCHEMAS[reference]["enum"]) <= set(codes(row[1]))


def test_the_fields_of_a_switch_are_the_documented_ones():
    said = {
        re.sub(r"\[\]", "", word) for code in codes(section(NAME, "SwitchResult")) for word in re.split(r",\s*", code)
    }
    assert said == set(SCHEMAS["SwitchResult"]["properties"])


def test_every_error_is_documented_with_its_status_and_every_documented_one_exists():
    said = {(int(row[0]), code) for row in rows(section(NAME, "Errors")) for code in codes(row[1])}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ApiError)]
    on_sockets = {errors.CredentialsExpired}
    assert said == {(kind.http_status, kind.code) for kind in kinds if kind not in on_sockets}
    assert all(kind.code in section(NAME, "Server to client") for kind in on_sockets)


def frames_of(heading):
    """Each type of frame with its fields, and whether each may be left out."""
    found = {}
    for row in rows(section(NAME, heading)):
        words = re.findall(r"[A-Za-z_]+\??", " ".join(codes(row[1].partition(":")[0])))
        for kind in codes(row[0]):
            found[kind] = {word.rstrip("?"): word.endswith("?") for word in words}
    return found


def test_every_frame_of_the_server_is_documented_with_its_fields():
    said = {kind: fields for kind, fields in frames_of("Server to client").items() if kind.isupper()}
    assert set(said) == {type_of(frame) for frame in SERVER_FRAMES}
    for frame in SERVER_FRAMES:
        assert set(said[type_of(frame)]) >= set(FRAMES[frame.__name__]["properties"]) - {"type", "client_timestamp"}, (
            frame
        )


def test_every_frame_of_a_client_is_documented_with_its_fields():
    said = frames_of("Client to server")
    assert set(said) == {type_of(frame) for frame in CLIENT_FRAMES}
    for frame in CLIENT_FRAMES:
        wanted = {name: may for name, may in asked_of(FRAMES[frame.__name__]).items() if name != "type"}
        assert {name: said[type_of(frame)].get(name) for name in wanted} == wanted, frame


def test_every_event_is_documented_with_its_fields():
    said = {}
    for row in rows(section(NAME, "Server to client")):
        stem = ""
        for code in codes(row[0]):
            stem = code.partition(".")[0] or stem
            if "." in code:
                said[stem + "." + code.partition(".")[2]] = set(re.findall(r"[a-z_]+", " ".join(codes(row[1]))))
    assert set(said) == set(EVENT_TYPES)
    for name, kind in EVENT_TYPES.items():
        own = set(FRAMES[f"{kind.__name__}Event"]["properties"]) - {"type", "sequence", "version", "at"}
        assert own <= said[name], name


def test_what_ready_may_say_is_documented():
    row = next(row for address, row in REST.items() if address == ("get", "/ready"))
    health = " ".join(section("docs/operations.md", "Health").split())
    for name in ("Ready", "NotReady"):
        for field, schema in SCHEMAS[name]["properties"].items():
            assert field in codes(row[2])
            for reference in re.findall(r"schemas/(\w+)", str(schema)):
                for value in SCHEMAS[reference].get("enum", ()):
                    assert value in health, (field, value)


def test_what_pages_may_send_and_read_is_documented():
    said = set(codes(section(NAME, "Pages of other origins")))
    assert said >= {*cors.METHODS, *cors.REQUEST_FIELDS, *cors.ANSWER_FIELDS}


def test_every_limit_is_documented():
    said = {code for row in rows(section(NAME, "Limits")) for code in codes(row[0])}
    assert said == {limit.scope for limit in policies.CATALOGUE if limit is not policies.FRAMES}
