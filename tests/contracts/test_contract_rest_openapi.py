"""The OpenAPI document against the server: every route is in it, every answer in it can be had and fits its schema."""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

import jsonschema
import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from redis.exceptions import ConnectionError as StoreAway

from sessions.realtime import long_poll_and_sse
from synckairos.auth import jwks
from synckairos.auth.principal import mint
from synckairos.conf import Rate
from synckairos.ops import readiness
from synckairos.ops.store_facts import StoreFacts
from synckairos.redis import scripts
from tests.conftest import client_of

DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = {
    (method, path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}
ANYWHERE = (408, 414, 431)
"""What the server answers before it knows the door: tests/synckairos/webserver/test_bounds.py provokes these."""
ANSWERS = [
    (method, path, int(status))
    for (method, path), o in OPERATIONS.items()
    for status in o["responses"]
    if int(status) not in ANYWHERE
]
FREE = ("/health", "/ready", "/metrics", "/v1/time", jwks.PATH)
TOKENS = ("/v1/token", "/v1/token/refresh", "/v1/token/revoke")
OPEN = (*FREE, *TOKENS)
GIVING = ("post", "/v1/sessions/{session_id}/tokens")
"""Changes nothing of the session."""
NEEDS = {"pause": ["start"], "switch": ["start"], "resume": ["start", "pause"], "undo": ["start", "switch"]}
WHO = {"username": "carol", "password": "correct horse battery staple"}


@pytest.fixture(scope="module")
def api(webs):
    with client_of(webs[0], mint("alice", is_staff=False)) as client:
        yield client


@pytest.fixture(autouse=True)
def _cheap(settings):
    """No slow hashes, and no pictures of the faults that are provoked here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def seat():
    return {"participant_id": str(uuid4()), "total_time_ms": 60_000}


def routes(resolver, prefix=""):
    """Every address of the URL configuration, in OpenAPI's notation."""
    for item in resolver.url_patterns:
        path = prefix + str(item.pattern)
        if isinstance(item, URLResolver):
            yield from routes(item, path)
        elif isinstance(item, URLPattern):
            yield "/" + path.replace("<str:", "{").replace(">", "}")


def test_the_document_is_valid_openapi():
    assert DOCUMENT["openapi"] == "3.1.0"
    validate_schema(DOCUMENT)


def test_every_route_is_in_the_document():
    others = ("/admin/", "/api-docs", "/asyncapi.json")
    served = {path for path in routes(get_resolver()) if not path.startswith(others)}
    assert served | set(WAITING) == set(DOCUMENT["paths"])


def test_the_document_that_is_served_is_this_one(api):
    answer = api.get("/api-docs.json")
    assert "json" in answer.headers["content-type"]
    assert answer.json()["paths"].keys() == DOCUMENT["paths"].keys()


def test_the_document_says_which_doors_need_a_token():
    assert DOCUMENT["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for (_, path), operation in OPERATIONS.items():
        assert operation["security"] == ([] if path in OPEN else [{"bearer": []}])


def test_every_error_that_a_door_may_give_is_documented():
    for (method, path), operation in OPERATIONS.items():
        if path in OPEN:
            continue
        documented = {int(status) for status in operation["responses"]}
        assert documented >= {400, 401, 429, 500, 503}
        if "requestBody" in operation:
            assert documented >= {408, 413, 415}
        assert documented >= {414, 431}
        if any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ())):
            assert documented >= ({422} if (method, path) == GIVING else {409, 422})
        is_command = "{session_id}" in path and method != "get" and (method, path) != GIVING
        assert is_command == (412 in documented)
        assert is_command == any(p["name"] == "If-Match" for p in operation.get("parameters", ()))
        if "{session_id}" in path and method != "delete" and not path.endswith("/stream"):
            assert 404 in documented


class Scene:
    """One operation with everything it needs to succeed."""

    def __init__(self, client, method, path):
        self.client, self.method, self.template = client, method, path
        game = {"sync_mode": "per_participant", "participants": [seat(), seat()], "visibility": "public"}
        state = self.json("POST", "/v1/sessions", game).json()["data"]
        for step in NEEDS.get(path.rpartition("/")[2], ()):
            self.json("POST", f"/v1/sessions/{state['session_id']}/{step}", {})
        self.ids = {
            "session_id": state["session_id"],
            "participant_id": state["participants"][0]["participant_id"],
            "token_id": "0" * 32,
        }
        self.body: Any = {
            ("post", "/v1/sessions"): game | {"session_id": str(uuid4())},
            ("post", "/v1/sessions/batch"): {"session_ids": [state["session_id"]]},
            ("post", "/v1/ws-tickets"): {"session_id": state["session_id"]},
            ("post", "/v1/sessions/{session_id}/participants"): seat(),
            ("patch", "/v1/sessions/{session_id}/participants/{participant_id}"): {"adjust_ms": 1},
            ("patch", "/v1/sessions/{session_id}/clock"): {"adjust_ms": 1},
            ("post", "/v1/sessions/{session_id}/turn"): {"participant_id": state["participants"][1]["participant_id"]},
            ("post", "/v1/token"): WHO,
            GIVING: {"role": "viewer"},
        }.get((method, path), {} if method == "post" else None)

    def json(self, method, path, body, **headers):
        credentials = {"Authorization": f"Bearer {mint('moderator', is_staff=True)}"}
        return self.client.request(method, path, json=body, headers=credentials | headers)

    def send(self, *, raw=None, **headers):
        path = self.template.format(**self.ids)
        if raw is None:
            return self.json(self.method, path, self.body, **headers)
        credentials = {
            "Authorization": f"Bearer {mint('moderator', is_staff=True)}",
            "Content-Type": "application/json",
        }
        return self.client.request(self.method, path, content=raw, headers=credentials | headers)

    def malformed(self):
        """With a wrong id and a wrong body, whichever there is."""
        self.ids["session_id"] = "x"
        self.body = {"surprise": 1} if self.body is not None else None
        if self.method == "get" and "{" not in self.template:
            self.template += "?surprise=1"
        return self.send()

    def absent(self):
        """For a session that does not exist."""
        self.ids["session_id"] = str(uuid4())
        return self.send()

    def contested(self):
        """For an id in use, or on a version that is not the session's."""
        if self.template == "/v1/sessions":
            self.send()
        else:
            self.body |= {"expected_version": 99}
        return self.send()

    def forbidden(self):
        """By somebody who may read: for a creation, with a token that is for one session only."""
        reader = mint("alice", is_staff=False)
        if self.template == "/v1/sessions":
            address = GIVING[1].format(**self.ids)
            reader = self.json("POST", address, {"role": "controller"}).json()["data"]["token"]
        return self.send(Authorization=f"Bearer {reader}")

    def reused(self):
        """With the key of another request."""
        self.send(**KEY)
        other = {"sync_mode": {"metadata": {}}, "role": {"role": "controller"}}
        self.body |= next((change for name, change in other.items() if name in self.body), {"expected_version": 0})
        return self.send(**KEY)


KEY = {"Idempotency-Key": "k"}
PROVOKE = {
    200: Scene.send,
    201: Scene.send,
    204: Scene.send,
    304: lambda scene: scene.send(**{"If-None-Match": "*"}),
    400: Scene.malformed,
    401: lambda scene: scene.send(Authorization="Bearer garbage"),
    403: Scene.forbidden,
    404: Scene.absent,
    409: Scene.contested,
    412: lambda scene: scene.send(**{"If-Match": '"v99"'}),
    413: lambda scene: scene.send(raw=b" " * 300_000),
    415: lambda scene: scene.send(raw=b"x", **{"Content-Type": "text/plain"}),
    422: Scene.reused,
}
"""The request that must be answered with each status."""


class InProcess:
    """Django's test client under the manner of httpx."""

    def request(self, method, path, *, headers=None, content=None, **body):
        client = Client(headers=headers, raise_request_exception=False)
        kind = (headers or {}).get("Content-Type", "application/json")
        return client.generic(method.upper(), path, content or _encoded(**body), content_type=kind)


def _encoded(json=None):
    return b"" if json is None else msgspec.json.encode(json)


def fits(answer, method, path, status):
    """The status, and a body of the documented shape."""
    assert answer.status_code == status, answer.text
    content = OPERATIONS[method, path]["responses"][str(status)].get("content", {})
    if "application/json" not in content:
        return
    assert answer.headers["content-type"] == "application/json"
    schema = content["application/json"]["schema"] | {"components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer.json())


FAULTS = (429, 500, 503)
ASKS_THE_DATABASE = (*TOKENS, "/ready")
OF_AUDIT = [("get", "/v1/sessions"), ("get", "/v1/exports/events")]
"""They read the audit: 503 when the database cannot serve, not when the store cannot."""
WAITING = [f"/v1/sessions/{{session_id}}/{door}" for door in long_poll_and_sse.HANDLERS]
"""Not Django's: tests/sessions/realtime/test_long_poll_and_sse.py provokes their answers."""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        a
        for a in ANSWERS
        if a[1] not in WAITING and a[2] not in FAULTS and (a[1] not in ASKS_THE_DATABASE or a[2] == 413)
    ],
)
def test_a_documented_answer_can_be_had(api, method, path, status):
    fits(PROVOKE[status](Scene(api, method, path)), method, path, status)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        a
        for a in ANSWERS
        if a[1] not in WAITING and a[2] in FAULTS and a[1] not in ASKS_THE_DATABASE and a[:2] not in OF_AUDIT
    ],
)
def test_a_documented_fault_can_be_had(configure, monkeypatch, method, path, status):
    scene = Scene(InProcess(), method, path)

    def fail(*_args):
        raise (StoreAway if status == 503 else RuntimeError)("secret")

    if status == 429:
        configure(rate_general=Rate(1, 3_600_000))
        scene.send()
    else:
        monkeypatch.setattr(scripts, "_eval_blocking", fail)
        configure(rate_general=Rate(100, 60_000))
    answer = scene.send()
    fits(answer, method, path, status)
    assert "secret" not in answer.text


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), OF_AUDIT)
@pytest.mark.parametrize("status", FAULTS)
def test_a_documented_fault_of_what_reads_the_audit_can_be_had(configure, monkeypatch, method, path, status):
    def fail(*_args):
        raise (OperationalError if status == 503 else RuntimeError)("secret")

    scene = Scene(InProcess(), method, path)
    if status == 429:
        configure(rate_general=Rate(1, 3_600_000))
        scene.send()
    else:
        for module in ("lists", "export_views"):
            monkeypatch.setattr(f"sessions.rest.{module}.complete_until", fail)
    answer = scene.send()
    fits(answer, method, path, status)
    assert "secret" not in answer.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "store", "audit"),
    [(200, "ok", "ok"), (200, "ok", "unreachable"), (503, None, "ok"), (503, "ok", "unmigrated")],
)
def test_the_documented_answers_about_readiness_can_be_had(monkeypatch, status, store, audit):
    monkeypatch.setattr(readiness, "_state_store", lambda: store and StoreFacts({}))
    monkeypatch.setattr(readiness, "audit_store_status", lambda: audit)
    fits(InProcess().request("GET", "/ready"), "get", "/ready", status)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "status"), [a for a in ANSWERS if a[1] in TOKENS and a[2] not in {413, *FAULTS}]
)
def test_a_documented_answer_of_the_token_doors_can_be_had(method, path, status):
    get_user_model().objects.create_user(**WHO)
    scene = Scene(InProcess(), method, path)
    if path != "/v1/token":
        scene.body = {"refresh": scene.json("POST", "/v1/token", WHO).json()["refresh"]}
    if status == 401:
        scene.body = dict.fromkeys(scene.body, "wrong")
        fits(scene.send(), method, path, status)
    else:
        fits(PROVOKE[status](scene), method, path, status)


@pytest.mark.django_db
@pytest.mark.parametrize("path", TOKENS)
def test_a_documented_fault_of_the_token_doors_can_be_had(monkeypatch, path):
    def fail(*_args, **_kwargs):
        raise RuntimeError("secret")

    monkeypatch.setattr("sessions.rest.token_views.body_of", fail)
    answer = InProcess().request("POST", path, json=WHO)
    fits(answer, "post", path, 500)
    assert "secret" not in answer.text


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/v1/token", "/v1/token/refresh"])
def test_the_token_doors_answer_as_documented_when_guessing_is_slowed_or_cannot_be(configure, monkeypatch, path):
    def fail(*_args):
        raise StoreAway("secret")

    configure(rate_token=Rate(1, 3_600_000))
    answers = [InProcess().request("POST", path, json={}) for _ in range(2)]
    fits(answers[1], "post", path, 429)
    monkeypatch.setattr(scripts, "_eval_blocking", fail)
    fits(InProcess().request("POST", path, json={}), "post", path, 503)


def test_the_document_says_where_limits_are_told_of():
    fields = {"RateLimit", "RateLimit-Policy"}
    for (_, path), operation in OPERATIONS.items():
        for status, answer in operation["responses"].items():
            if int(status) in ANYWHERE:
                continue
            told = set(answer.get("headers", ()))
            assert (fields <= told) == (path not in FREE), (path, status)
            assert ("Retry-After" in told) == (path not in FREE and status in {"429", "503"})
