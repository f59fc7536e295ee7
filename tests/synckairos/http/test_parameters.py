"""No part of a request is ignored silently: it is obeyed or refused.

At every door: the views, the hot door, long poll, event streams and sockets.
"""

from __future__ import annotations

import gzip
from uuid import uuid4

import httpx
import msgspec
import pytest
from drf_spectacular.generators import SchemaGenerator
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from sessions.fastpath import fast_path
from synckairos.auth.principal import mint
from synckairos.http.duplicate_names import DuplicateName, check_unique_names
from tests.conftest import bearer
from tests.talk import JSON, EarlyRequest, at, created, done, game, refused, wrong_fields

PATHS = SchemaGenerator().get_schema(request=None, public=True)["paths"]


def address(path):
    """A path of the document with ids in it."""
    return path.format(session_id=uuid4(), participant_id=uuid4(), token_id="0" * 32)


@pytest.mark.parametrize(
    ("method", "tail", "query", "field"),
    [
        ("GET", "", "fields=status&fields=version", "fields"),
        ("GET", "", "fields=status&fields=status", "fields"),
        ("GET", "", "felds=status", "felds"),
        ("GET", "/summary", "fields=status", "fields"),
        ("GET", "/poll", "since_version=1&since_version=2", "since_version"),
        ("GET", "/poll", "since_versoin=1", "since_versoin"),
        ("GET", "/poll", "wait_ms=0&wait_ms=30000", "wait_ms"),
        ("GET", "/stream", "ticket=a&ticket=b", "ticket"),
        ("GET", "/stream", "tiket=a", "tiket"),
        ("POST", "/start", "expected_version=9", "expected_version"),
        ("POST", "/switch", "dry_run=true", "dry_run"),
        ("DELETE", "", "expected_version=9", "expected_version"),
    ],
)
def test_a_parameter_that_is_repeated_or_unknown_is_refused_and_nothing_is_done(api, method, tail, query, field):
    state = created(api)
    assert wrong_fields(api.request(method, f"{at(state)}{tail}?{query}")) == [field]
    assert done(api.get(at(state)))["version"] == 1


def test_a_parameter_against_caches_is_no_parameter(api):
    state = created(api)
    assert done(api.get(f"{at(state)}?_=1764287999"))["version"] == 1
    assert done(api.get(f"{at(state)}/poll?_=1&_=2"))["version"] == 1
    assert done(api.post(f"{at(state)}/start?_=1"))["version"] == 2


@pytest.mark.parametrize("name", ["sessionId", "heartbeat", "token"])
def test_a_socket_with_a_repeated_query_parameter_is_refused(webs, token, name):
    values = {"sessionId": str(uuid4()), "heartbeat": "30", "token": token}
    query = "&".join(f"{key}={value}" for key, value in [*values.items(), (name, values[name])])
    with connect(f"{webs[0].ws_url}/ws?{query}") as ws, pytest.raises(ConnectionClosed) as closed:
        ws.recv(30)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "Repeated parameter")


def test_a_socket_with_parameters_of_its_clients_own_is_served(webs, token):
    with connect(f"{webs[0].ws_url}/ws?sessionId={uuid4()}&app=1&app=2&token={token}") as ws:
        assert "CONNECTED" in ws.recv(30)


FIELDS = ["Idempotency-Key", "Authorization", "Content-Type", "Last-Event-Id"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("method", "tail"), [("POST", "/start"), ("GET", "/poll"), ("GET", "/stream"), ("GET", "")])
def test_a_header_with_one_value_that_is_given_twice_is_refused(webs, token, api, field, method, tail):
    state = created(api)
    values = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    once = [(name, value) for name, value in values.items() if name != field]
    repeated = [(field, values.get(field, "a")), (field, values.get(field, "b"))]
    answer = httpx.request(method, f"{webs[0].url}{at(state)}{tail}", headers=[*once, *repeated], timeout=30)
    assert wrong_fields(answer) == [field]
    assert done(api.get(at(state)))["version"] == 1


def test_a_header_that_is_a_list_may_be_given_in_parts(webs, token, api):
    state = created(api)
    headers = [("If-Match", '"v7"'), ("If-Match", api.get(at(state)).headers["etag"]), *bearer(token).items()]
    assert done(httpx.post(f"{webs[0].url}{at(state, 'start')}", headers=headers, timeout=30))["version"] == 2


@pytest.mark.parametrize(
    "text",
    [
        '{"sync_mode": "count_up", "sync_mode": "global"}',
        '{"sync_mode": "count_up", "sync_\\u006dode": "count_up"}',
        '{"sync_mode": "count_up", "metadata": {"a": 1, "a": 2}}',
        '{"sync_mode": "count_up", "metadata": {"link": "https://a.example", "deep": [{"a": 1, "a": 1}]}}',
    ],
)
def test_a_body_in_which_a_name_stands_twice_is_refused(api, text):
    assert wrong_fields(api.post("/v1/sessions", content=text, headers=JSON)) == ["body"]


def test_so_is_one_of_a_command(api):
    state = created(api)
    text = '{"expected_version": 7, "expected_version": 1}'
    assert wrong_fields(api.post(at(state, "start"), content=text, headers=JSON)) == ["body"]
    text = '{"participant_id": "aaaaaaaa-0000-4000-8000-000000000009", "total_time_ms": 1000, "total_time_ms": 2000}'
    assert wrong_fields(api.post(at(state, "participants"), content=text, headers=JSON)) == ["body"]


@pytest.mark.parametrize("tail", ["", "/tokens", f"/tokens/{'0' * 32}"])
def test_a_guard_that_a_deletion_does_not_read_is_refused_and_nothing_is_deleted(api, tail):
    state = created(api)
    answer = api.request("DELETE", at(state) + tail, json={"expected_version": 9})
    assert wrong_fields(answer) == ["expected_version"]
    answer = api.request("DELETE", at(state) + tail, content=b"expected_version=9")
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert done(api.get(at(state)))["version"] == 1
    for nothing in ({}, {"json": {}}, {"headers": JSON}):
        assert api.request("DELETE", at(state) + tail, **nothing).status_code == 204


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ('{"a": 1, "b": {"a": 2}}', True),
        ('{"a": "b: c: d", "c": [{"a": ":"}, {"a": ":"}]}', True),
        ('{"a:": 1, "a": 2}', True),
        ('[{"a": 1}, {"a": 1}]', True),
        ("1", True),
        ('":"', True),
        ('{"a": 1, "a": 1}', False),
        ('{"a": {"b": 1, "b": 2}}', False),
        ('{"a": ":", "a": ":"}', False),
        ('{"a": 1, "\\u0061": 2}', False),
        ('[[{"": 1, "": 2}]]', False),
    ],
)
def test_names_are_compared_within_each_object_as_they_are_decoded(text, is_good):
    for form in (text, text.encode()):
        if is_good:
            check_unique_names(form, msgspec.json.decode(form))
        else:
            with pytest.raises(DuplicateName):
                check_unique_names(form, msgspec.json.decode(form))


@pytest.mark.parametrize("body", [b'{"expected_version": 1, "expected_version": 2}', b"{}"])
@pytest.mark.parametrize("charset", ["", "; charset=latin-1"])
def test_the_fast_path_forwards_requests_that_only_the_views_check(body, charset):
    headers = {
        b"authorization": f"Bearer {mint('alice', is_staff=False)}".encode(),
        b"content-type": f"application/json{charset}".encode(),
    }
    asked = fast_path.parse(EarlyRequest(headers, path=f"/v1/sessions/{uuid4()}/switch", body=body), headers)
    assert (asked is not None) == (body == b"{}" and not charset)


@pytest.mark.parametrize(
    "path", ["/v1/sessions", "/v1/sessions/batch", "/v1/token", "/v1/ws-tickets", "switch", "poll"]
)
@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, identity", "anything"])
def test_a_body_in_a_coding_is_refused_and_the_answer_names_those_that_are_taken(api, path, coding):
    path = path if path.startswith("/") else at(created(api), path)
    body = gzip.compress(msgspec.json.encode(game()))
    method = "GET" if path.endswith("poll") else "POST"
    answer = api.request(method, path, content=body, headers=JSON | {"Content-Encoding": coding})
    error = refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert "Content-Encoding" in error["message"]
    assert answer.headers["accept-encoding"] == "identity"


def test_the_identity_coding_is_accepted(api):
    created(api, game(), **{"Content-Encoding": "identity"})


@pytest.mark.parametrize(
    ("charset", "status"), [("latin-1", 415), ("utf-16", 415), ('"UTF-8"', 201), ("utf8", 201), ("US-ASCII", 201)]
)
def test_a_body_in_another_character_set_is_refused(api, charset, status):
    headers = {"Content-Type": f"application/json; charset={charset}"}
    answer = api.post("/v1/sessions", content=msgspec.json.encode(game()), headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert "UTF-8" in refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")["message"]


@pytest.mark.parametrize(
    ("start_at", "word"),
    [
        ("1969-12-31T23:59:59Z", "year"),
        ("0001-01-01T00:00:00.000Z", "year"),
        ("9999-12-31T23:59:59Z", "year"),
        ("2030-01-01T00:00:00", "offset"),
        ("9999-12-31T23:59:59", "offset"),
        ("soon", "ISO 8601"),
    ],
)
def test_an_instant_that_is_none_is_told_what_is_wrong_with_it(api, start_at, word):
    answer = api.post("/v1/sessions", json=game(start_at=start_at))
    assert wrong_fields(answer) == ["start_at"]
    (detail,) = answer.json()["error"]["details"]
    assert word in detail["message"]


@pytest.mark.parametrize("path", PATHS)
def test_what_allow_names_is_not_refused_and_what_it_leaves_out_is(api, staff_api, path):
    for method in ("PUT", "OPTIONS"):
        answer = api.request(method, address(path))
        refused(answer, 405, "METHOD_NOT_ALLOWED")
        allowed = answer.headers["allow"].split(", ")
        assert {name.upper() for name in PATHS[path]} <= set(allowed)
        for other in ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"):
            if path.endswith("/stream") and other == "GET":
                continue  # has no end
            # Not by the wrong status: a stranger is 401 and an empty body 400, wherever the method is one.
            found = staff_api.request(
                other, address(path), headers={"Authorization": "Bearer x"} if "poll" in path else {}
            )
            assert (found.status_code == 405) == (other not in allowed), other


@pytest.mark.parametrize("path", ["/v1/time", "/health", "/api-docs.json", "/asyncapi.json", "/.well-known/jwks.json"])
def test_open_endpoints_ignore_query_parameters(api, path):
    assert api.get(f"{path}?t=1764287999&t=2").status_code == 200
