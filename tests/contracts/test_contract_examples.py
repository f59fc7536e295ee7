"""Every example of the OpenAPI document works when it is tried, as a reader of `/api-docs` would try it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from drf_spectacular.generators import SchemaGenerator

from sessions.apidocs import openapi_examples
from sessions.apidocs.asyncapi import document as asyncapi
from sessions.apidocs.asyncapi_schemas import type_of
from sessions.frames import CLIENT_FRAMES
from synckairos.auth.principal import mint
from tests.conftest import client_of
from tests.contracts.test_contract_rest_openapi import InProcess
from tests.sockets import screen

DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
CREDENTIALS = ("createToken", "refreshToken", "revokeToken")
ENDLESS = "streamSession"
OF_DATABASE = "getReadiness"
"""Is ready with a migrated database only: tests/sessions/rest/ has more of it."""
OF_STAFF = "exportEvents"
TRIED = [name for name in OPERATIONS if name not in {*CREDENTIALS, ENDLESS, OF_DATABASE, OF_STAFF}]
BEFORE = {
    "createSession": (),
    "switchSession": ("createSession", "startSession"),
    "undoSwitch": ("createSession", "startSession", "switchSession"),
    "pauseSession": ("createSession", "startSession"),
    "resumeSession": ("createSession", "startSession", "pauseSession"),
}
"""What must have been tried on the page before; with the others, a creation is enough."""


def body_examples(name):
    """The named bodies; `None` for an operation without a body."""
    _, _, operation = OPERATIONS[name]
    if "requestBody" not in operation:
        return {"": None}
    content = operation["requestBody"]["content"]["application/json"]
    return {label: example["value"] for label, example in content["examples"].items()}


CASES = [(name, label) for name in TRIED for label in body_examples(name)]


@pytest.fixture
def api(webs):
    """Whoever reads the page: no staff, and the owner of what it makes."""
    with client_of(webs[0], mint("reader", is_staff=False)) as client:
        yield client


def filled_in(name):
    """The request that the page shows: parameters with an example have it, others are empty."""
    method, path, operation = OPERATIONS[name]
    values = {p["name"]: p["example"] for p in operation.get("parameters", ()) if "example" in p}
    placed = {p["name"]: p["in"] for p in operation.get("parameters", ())}
    assert {name for name, place in placed.items() if place == "path"} <= set(values)
    query = {name: value for name, value in values.items() if placed[name] == "query"}
    return method, path.format(**values), query


def tried(api, name, label=None):
    """Press the button."""
    method, path, query = filled_in(name)
    bodies = body_examples(name)
    body = bodies[next(iter(bodies)) if label is None else label]
    return api.request(method.upper(), path, params=query, json=body)


@pytest.mark.parametrize(("name", "label"), CASES)
def test_an_example_works_when_it_is_tried(api, name, label):
    for step in BEFORE.get(name, ("createSession",)):
        assert tried(api, step).is_success
    answer = tried(api, name, label)
    assert answer.is_success, answer.text


def test_whoever_tries_the_page_from_top_to_bottom_always_gets_an_answer(api):
    passed = [name for name in TRIED if name != "cancelSession"]  # a session ends one way only
    for name in passed:
        answer = tried(api, name)
        assert answer.is_success, (name, answer.text)
    assert passed.index("createSession") == 0
    assert passed.index("deleteSession") > passed.index("getSession") > passed.index("switchSession")
    assert tried(api, "getSession").status_code == 404


def test_every_body_has_examples_and_the_first_of_them_is_without_guards():
    for name, (_, _, operation) in OPERATIONS.items():
        if "requestBody" not in operation:
            continue
        first = next(iter(body_examples(name).values()))
        assert not {"expected_version", "current_participant_id"} & set(first), name
    assert set(openapi_examples.BODIES) == {name for name in OPERATIONS if "requestBody" in OPERATIONS[name][2]}


@pytest.mark.django_db
def test_examples_of_credentials_work_for_whoever_has_these_credentials(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    (who,) = body_examples("createToken").values()
    get_user_model().objects.create_user(**who)
    api = InProcess()
    pair = api.request("POST", "/v1/token", json=who).json()
    for name in ("refreshToken", "revokeToken"):
        method, path, _ = filled_in(name)
        (body,) = body_examples(name).values()
        assert set(body) == {"refresh"}
        answer = api.request(method, path, json={"refresh": pair["refresh"]})
        assert answer.status_code in {200, 204}
        pair = answer.json() if answer.status_code == 200 else pair


FRAMES = {name: message["examples"] for name, message in asyncapi()["components"]["messages"].items()}
BEFORE_FRAME = {
    "SWITCH": ("createSession", "startSession"),
    "UNDO": ("createSession", "startSession", "switchSession"),
    "PAUSE": ("createSession", "startSession"),
    "RESUME": ("createSession", "startSession", "pauseSession"),
}
ANSWERS = {"PING": "PONG", "RECONNECT": "STATE_SYNC"}


@pytest.mark.parametrize("name", [type_of(frame) for frame in CLIENT_FRAMES])
async def test_an_example_of_a_clients_frame_works_when_it_is_sent(webs, api, name):
    for step in BEFORE_FRAME.get(name, ("createSession",)):
        assert tried(api, step).is_success
    token = mint("reader", is_staff=False)
    for example in FRAMES[name]:
        frame = example["payload"] | ({"token": token} if name == "AUTH" else {})
        async with screen(webs[0], openapi_examples.SESSION, token) as client:
            await client.until("CONNECTED")
            await client.send(**frame)
            answer = await client.until(ANSWERS.get(name, "ACK"))
            assert answer.get("id") == frame.get("id")
