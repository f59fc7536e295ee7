"""Whatever is sent is answered: in JSON, without a fault of ours; and afterwards a game works as ever."""

from __future__ import annotations

import json
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synckairos.auth.principal import mint
from tests.conftest import client_of
from tests.talk import LEAKS, at, created, done, game

FEW = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "SEARCH", "PURGE")
TAILS = ("", "/start", "/pause", "/resume", "/switch", "/complete", "/cancel", "/summary", "/participants")

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["per_participant", "global", "notify", "2100-01-01T00:00:00.000Z", "9" * 40, "", "\0", "🕐"]),
    st.uuids().map(str),
    st.sampled_from([0, 1, 999, 1_000, 60_000, 86_400_000, 86_400_001, 2**53, 2**63, 2**64]),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def nearly(**fields):
    """An object with a few of these fields, all of them right but one at most, and perhaps one more."""
    wrong = st.sampled_from(sorted(fields)) | st.text(max_size=8)
    return st.builds(
        lambda known, other: known | other,
        st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=3).flatmap(
            lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
        ),
        st.just({}) | st.dictionaries(wrong, ANYTHING, max_size=1),
    )


IDS = st.sampled_from([str(uuid4()) for _ in range(3)])
TIMES = st.integers(1_000, 86_400_000)
SEATS = nearly(
    participant_id=IDS, participant_index=st.integers(0, 3), total_time_ms=TIMES, group_id=IDS, user_id=st.text()
)
FULL_SEATS = st.lists(IDS, unique=True, min_size=1).map(
    lambda ids: [{"participant_id": i, "total_time_ms": 60_000, "group_id": ids[0]} for i in ids]
)
CREATIONS = nearly(
    sync_mode=st.sampled_from(["per_participant", "per_group", "per_cycle", "global", "count_up"]),
    participants=FULL_SEATS | st.lists(SEATS, max_size=4),
    groups=st.lists(nearly(group_id=IDS, total_time_ms=TIMES), max_size=2),
    total_time_ms=TIMES,
    time_per_cycle_ms=TIMES,
    increment_ms=st.integers(0, 60_000),
    max_time_ms=TIMES,
    metadata=st.dictionaries(st.text(), ANYTHING, max_size=3),
    active_participant_id=IDS,
    auto_advance=st.booleans(),
    action_on_timeout=nearly(type=st.sampled_from(["notify", "skip_cycle", "auto_action", "end_session"])),
    warning_thresholds_ms=st.lists(TIMES, max_size=9),
    start_at=st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
COMMANDS = nearly(
    expected_version=st.integers(0, 9),
    next_participant_id=IDS,
    current_participant_id=IDS,
    participant_id=IDS,
    total_time_ms=TIMES,
    adjust_ms=st.integers(-60_000, 60_000),
    reason=st.text(),
    session_ids=st.lists(IDS, max_size=3),
)
NAMES = [
    *("Idempotency-Key", "If-None-Match", "Accept", "X-Request-ID", "Accept-Language", "Range", "Cookie", "Origin"),
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-HTTP-Method-Override", "Content-Encoding", "Forwarded", "Referer"),
]
HEADERS = st.dictionaries(
    st.sampled_from(NAMES),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30),
    max_size=4,
)


@pytest.fixture(scope="module")
def client(webs):
    with client_of(webs[0], mint("moderator", is_staff=True)) as one:
        yield one


@pytest.fixture(autouse=True)
def _still_plays(client):
    """After each storm, a game from beginning to end."""
    yield
    state = created(client)
    done(client.post(at(state, "start")))
    assert done(client.post(at(state, "switch")))["version"] == 3
    assert done(client.post(at(state, "complete")))["status"] == "completed"


def send(client, method, path, content=b"", headers=None):
    """An answer that any request may get."""
    raw = {name: value.encode("latin-1") for name, value in (headers or {}).items()}
    answer = client.request(method, path, content=content, headers={"Content-Type": "application/json"} | raw)
    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
    if answer.content:
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert len(body) == 1 or path.startswith("/v1/time")
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            assert set(body["error"]) <= {"code", "message", "details", "retry_after_seconds"}
            assert not LEAKS.search(body["error"]["message"])
    else:
        assert method == "HEAD" or answer.status_code in {204, 304}
    return answer


@FEW
@given(st.binary(max_size=300), st.sampled_from(TAILS))
def test_any_bytes(client, body, tail):
    send(client, "POST", f"/v1/sessions/{uuid4()}{tail}" if tail else "/v1/sessions", body)


@FEW
@given(ANYTHING, st.sampled_from(["/v1/sessions", "/v1/sessions/batch", *(f"/v1/sessions/{{}}{t}" for t in TAILS[1:])]))
def test_any_json(client, body, path):
    send(client, "POST", path.format(uuid4()), json.dumps(body).encode())


@FEW
@given(CREATIONS, HEADERS)
def test_creations_that_are_nearly_right(client, body, headers):
    body = game(total_time_ms=9_000, time_per_cycle_ms=9_000) | body
    answer = send(client, "POST", "/v1/sessions", json.dumps(body).encode(), headers)
    if answer.status_code == httpx.codes.CREATED:
        state = answer.json()["data"]
        for tail in ("start", "switch", "pause", "resume", "complete"):
            send(client, "POST", at(state, tail))
            assert send(client, "GET", at(state)).status_code == httpx.codes.OK
        client.delete(at(state))


@settings(FEW, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(TAILS[1:]), COMMANDS, HEADERS), min_size=1, max_size=4))
def test_commands_that_are_nearly_right(client, steps):
    state = created(client, game(participants=[{"participant_id": i, "total_time_ms": 9_000} for i in sorted(known())]))
    for tail, body, headers in steps:
        method = "GET" if tail == "/summary" else "POST"
        send(client, method, at(state) + tail, json.dumps(body).encode(), headers)
        for participant_id in known():
            send(client, "PATCH", at(state, "participants", participant_id), json.dumps(body).encode())
    assert send(client, "GET", at(state)).status_code == httpx.codes.OK


def known():
    """The ids that the strategies above draw from."""
    return set(IDS.elements)


@FEW
@given(
    st.sampled_from(METHODS),
    st.lists(st.text(max_size=8) | st.sampled_from(["sessions", "batch", ".."]), max_size=5),
    HEADERS,
)
def test_any_path_and_method(client, method, parts, headers):
    path = "/v1/x/" + "/".join(quote(part, safe="") for part in parts)
    send(client, method, path, b"{}", headers)


@FEW
@given(st.binary(max_size=12), st.text(max_size=12), st.sampled_from(["GET", "HEAD", "DELETE"]), HEADERS)
def test_any_id_and_query(client, name, query, method, headers):
    send(client, method, f"/v1/sessions/{quote(name, safe='') or 'x'}?fields={quote(query)}", b"", headers)
    state = created(client)
    send(client, method, f"{at(state)}?{quote(query, safe='=&')}", b"", headers)


@settings(FEW, max_examples=40)
@given(st.sampled_from(METHODS), st.text(max_size=12), HEADERS)
def test_the_clock_under_fire(client, method, query, headers):
    send(client, method, f"/v1/time?{quote(query)}", b"", headers)
