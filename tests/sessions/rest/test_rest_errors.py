"""Errors of every kind: one shape, JSON, and nothing about the inside."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client

from sessions.services import sessions as service
from synckairos.errors import InternalError
from synckairos.ops import readiness
from tests.conftest import bearer
from tests.talk import JSON, LEAKS, at, created, game, refused, wrong_fields


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": %s}' % (b"9" * 5_000),
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"sync_mode": "global"}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": "\\ud800"}',
        b'{"a": "\\udc00\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"a": "\\u0000"}',
        b'{"a": ["\\u0000"]}',
        b'{"\\u0000": 1}',
        b"\0",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"metadata":' + b"[" * 900 + b'"\\u0000"' + b"]" * 900 + b"}",
        b"{} {}",
    ],
    ids=lambda body: ascii(body[:24]),
)
@pytest.mark.parametrize("tail", ["", "/batch"])
def test_what_is_not_json_is_refused(api, body, tail):
    assert wrong_fields(api.post(f"/v1/sessions{tail}", content=body, headers=JSON)) == ["body"]


def test_an_escaped_backslash_before_u0000_is_no_nul(api):
    state = api.post("/v1/sessions", json=game(metadata={"a": "\\u0000"})).json()["data"]
    assert state["metadata"] == {"a": "\\u0000"}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v2/sessions",
        "/v1/sessions/",
        "/nope",
        "/v1/sessions/a/b/c/d",
        "/health/",
        "/%00",
        "/%ff",
        "/.env",
        "/static/nope.js",
        "/v1/sessions/%2e%2e/%2e%2e",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_not_found(api, method, path):
    refused(api.request(method, path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/sessions", "POST"),
        ("OPTIONS", "/v1/sessions", "POST"),
        ("TRACE", "/v1/sessions", "POST"),
        ("GET", "/v1/sessions/batch", "POST"),
        ("POST", "/v1/sessions/{id}", "GET"),
        ("PATCH", "/v1/sessions/{id}", "DELETE"),
        ("GET", "/v1/sessions/{id}/start", "POST"),
        ("DELETE", "/v1/sessions/{id}/switch", "POST"),
        ("POST", "/v1/sessions/{id}/summary", "GET"),
        ("GET", "/v1/sessions/{id}/participants", "POST"),
        ("GET", "/v1/sessions/{id}/participants/{id}", "PATCH"),
        ("POST", "/v1/time", "GET"),
        ("OPTIONS", "/v1/time", "GET"),
        ("GET", "/v1/token", "POST"),
        ("OPTIONS", "/v1/token", "POST"),
        ("OPTIONS", "/v1/token/refresh", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/health", "GET"),
        ("OPTIONS", "/health", "GET"),
        ("POST", "/ready", "GET"),
        ("PUT", "/metrics", "GET"),
    ],
)
def test_another_method_is_refused_naming_the_right_one(api, method, path, allowed):
    answer = api.request(method, path.format(id=uuid4()))
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert allowed in answer.headers["allow"].split(", ")


BIG = b'{"metadata": "' + b"x" * 300_000 + b'"}'


def in_pieces(body):
    """The same, sent in chunks without a length."""
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


@pytest.mark.parametrize("content", [BIG, in_pieces(BIG), b" " * 262_145], ids=["declared", "chunked", "one byte"])
def test_a_large_body_is_refused_and_the_next_request_is_served(api, content):
    if not isinstance(content, bytes):
        content = in_pieces(BIG)
    refused(api.post("/v1/sessions", content=content, headers=JSON), 413, "PAYLOAD_TOO_LARGE")
    created(api)


def test_a_large_body_is_refused_by_every_door(api):
    for path in ("/v1/token", "/v1/time", "/health", "/nope", "/admin/login/"):
        refused(api.post(path, content=BIG, headers=JSON), 413, "PAYLOAD_TOO_LARGE")


def test_a_body_of_256_kib_is_read(api):
    assert wrong_fields(api.post("/v1/sessions", content=b" " * 262_142 + b"{}", headers=JSON)) == ["sync_mode"]


def test_a_chunked_body_is_read(api):
    body = b'{"sync_mode": "global", "total_time_ms": 5000}'
    answer = api.post("/v1/sessions", content=iter([body[:10], body[10:]]), headers=JSON)
    assert answer.json()["data"]["total_time_ms"] == 5000
    answer = api.post(at(answer.json()["data"], "start"), content=iter([b'{"expected_version"', b": 7}"]), headers=JSON)
    refused(answer, 409, "CONFLICT")


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "/",
        "",
        "json",
        "application/xml",
        "application/json-patch+json",
    ],
)
@pytest.mark.parametrize("tail", ["", "/batch", "/{id}/start", "/{id}/switch"])
def test_a_body_of_another_type_is_refused(api, kind, tail):
    path = f"/v1/sessions{tail}".format(id=created(api)["session_id"])
    refused(api.post(path, content=b"{}", headers={"Content-Type": kind}), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_thousand_query_parameters_are_refused(api):
    assert wrong_fields(api.get(f"{at(created(api))}?{'a=1&' * 1001}")) == ["a"]


@pytest.mark.parametrize("accept", ["text/html", "*/*", "image/png", "", "garbage", "application/xml;q=x"])
def test_answers_are_json_whatever_is_accepted(api, accept):
    assert created(api, Accept=accept)["status"] == "pending"
    refused(api.get("/v1/sessions/x", headers={"Accept": accept}), 400, "VALIDATION_ERROR")
    refused(api.get("/nope", headers={"Accept": accept}), 404, "NOT_FOUND")


@pytest.mark.parametrize("query", ["format=api", "format=html", "format=xml"])
def test_no_query_changes_the_format(api, query):
    assert api.get(f"{at(created(api))}?{query}").headers["content-type"] == "application/json"


def test_a_fault_of_ours_tells_nothing(monkeypatch, token, configure):
    def fail(*_args):
        raise RuntimeError("secret of sessions/services.py")

    monkeypatch.setattr(service, "create", fail)
    client = Client(headers=bearer(token))
    answer = client.post("/v1/sessions", game(), content_type="application/json")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"error": {"code": "INTERNAL_ERROR", "message": InternalError.message}}


def test_a_fault_outside_of_the_doors_tells_nothing_either(monkeypatch):
    def fail():
        raise RuntimeError("secret of synckairos/ops/readiness.py")

    monkeypatch.setattr(readiness, "readiness", fail)
    answer = Client(raise_request_exception=False).get("/ready")
    assert answer.status_code == 500
    assert answer.json() == {"error": {"code": "INTERNAL_ERROR", "message": InternalError.message}}


def test_a_host_we_do_not_know_is_refused_in_json(settings):
    settings.ALLOWED_HOSTS = ["synckairos.example"]
    answer = Client(raise_request_exception=False).get("/v1/time", headers={"Host": "elsewhere"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert not LEAKS.search(answer.text)


def test_the_answer_carries_the_callers_request_id_or_a_new_one(api):
    assert api.get("/health", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    for bad in ("a b", "x" * 65, "", "ä", "<script>"):
        given = api.get("/health", headers={"X-Request-ID": bad.encode()}).headers["x-request-id"]
        assert given != bad
        assert given.isalnum()
