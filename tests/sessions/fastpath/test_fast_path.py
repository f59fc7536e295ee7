"""The fast path against the DRF view behind it: the same answers to everything, and which request is served where."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import httpx
import pytest

from sessions.fastpath import fast_path
from sessions.fastpath.operations import Read
from synckairos.auth.principal import mint
from synckairos.engine.commands import AdjustClock, AssignTurn, UndoSwitch
from tests import servers
from tests.conftest import bearer, client_of
from tests.talk import EarlyRequest, at, created, done, game, refused

SLOW = {"Content-Encoding": "identity"}
"""A request with a content coding is passed on to the view, which accepts this one."""
IDS = ["aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"]
CHANGING = {
    *("session_id", "epoch", "server_time_ms", "time_remaining_ms", "total_time_ms", "time_used_ms"),
    *("elapsed_ms", "overtime_ms"),
}


def scope(**changes):
    """A plain request's headers and query, as a server describes it."""
    headers = {"authorization": f"Bearer {mint('alice', is_staff=False)}", "content-type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value is not None]
    return {"headers": encoded, "query_string": b""}


def read(asked, verb, body, session_id=None, method="POST"):
    """How the door takes a request for a verb, or for the state."""
    path = f"/v1/sessions/{session_id or uuid4()}" + (f"/{verb}" if verb else "")
    request = EarlyRequest(**asked, path=path, method=method if verb else "GET", body=body)
    return fast_path.parse(request, dict(asked["headers"]))


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (b"", {}),
        (b"", {"content_type": None}),
        (b"{}", {}),
        (b"{}", {"content_type": "Application/JSON; charset=utf-8"}),
        (b'{"expected_version": 3, "next_participant_id": null}', {}),
        (b'{"next_participant_id": "%s"}' % b"AAAAAAAA-0000-4000-8000-000000000001", {"idempotency_key": "k"}),
        (b"", {"if_match": '"v2"'}),
    ],
)
def test_a_plain_switch_is_served_here(body, changes):
    asked = read(scope(**changes), "switch", body)
    assert asked.caller.principal.subject == "alice"
    assert (asked.caller.idempotency is None) == ("idempotency_key" not in changes)
    assert (asked.operation.only_if is None) == ("if_match" not in changes)


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (b"{", {}),
        (b"  ", {}),
        (b"[]", {}),
        (b"null", {}),
        (b"[" * 5_000, {}),
        (b'{"surprise": 1}', {}),
        (b'{"expected_version": -1}', {}),
        (b'{"expected_version": 1e30}', {}),
        (b'{"expected_version": "1"}', {}),
        (b'{"expected_version": true}', {}),
        (b'{"next_participant_id": "x"}', {}),
        (b'{"next_participant_id": 1}', {}),
        (b'{"next_participant_id": "%s"}' % (b"a" * 32), {}),
        (b"{}", {"content_type": "text/plain"}),
        (b"{}", {"content_type": None}),
        (b"{}", {"if_match": "v2"}),
        (b"{}", {"content_encoding": "identity"}),
        (b"{}", {"idempotency_key": ""}),
        (b"{}", {"idempotency_key": "k" * 256}),
        (b"{}", {"idempotency_key": "ü"}),
    ],
)
def test_a_malformed_or_rare_request_is_passed_on_to_the_view(body, changes):
    assert read(scope(**changes), "switch", body) is None


@pytest.mark.parametrize("credentials", [None, "Bearer garbage", "Basic x"])
def test_bad_credentials_are_refused_here(credentials):
    asked = read(scope(authorization=credentials), "switch", b"{")
    assert (asked.caller, asked.operation, asked.route) == (None, None, "/v1/sessions/<str:session_id>/switch")


VERBS = ("start", "pause", "resume", "complete", "cancel")


@pytest.mark.parametrize("verb", VERBS)
def test_other_commands_take_a_version_and_nothing_else(verb):
    asked = read(scope(), verb, b'{"expected_version": 3}')
    command = asked.operation.command
    assert (type(command).__name__.lower(), command.expected_version) == (verb, 3)
    assert read(scope(), verb, b'{"next_participant_id": null}') is None


@pytest.mark.parametrize(
    ("method", "verb", "body", "command"),
    [
        ("PATCH", "clock", b'{"adjust_ms": -5, "reason": "late"}', AdjustClock(adjust_ms=-5, reason="late")),
        ("PATCH", "clock", b'{"at_least_ms": 30000, "set_ms": null}', AdjustClock(at_least_ms=30_000)),
        ("PATCH", "clock", b"", AdjustClock()),
        ("POST", "undo", b"", UndoSwitch()),
        ("POST", "undo", b'{"reason": "a slip", "expected_version": 3}', UndoSwitch("a slip", 3)),
        ("POST", "turn", b'{"participant_id": "%s"}' % IDS[0].encode(), AssignTurn(UUID(IDS[0]))),
        ("POST", "turn", b"", None),
        ("POST", "turn", b"{}", None),
        ("POST", "turn", b'{"participant_id": null}', None),
        ("POST", "undo", b'{"reason": " "}', None),
        ("PATCH", "clock", b'{"at_least_ms": -1}', None),
        ("PATCH", "clock", b'{"adjust_ms": 1.0}', None),
        ("POST", "clock", b'{"adjust_ms": 1}', None),
        ("PATCH", "undo", b"", None),
        ("PATCH", "switch", b"", None),
    ],
)
def test_corrections_are_served_here_by_their_own_methods(method, verb, body, command):
    asked = read(scope(), verb, body, method=method)
    assert (None if asked is None else asked.operation.command) == command


def test_a_plain_read_is_served_here_and_one_with_a_query_or_condition_is_not():
    assert isinstance(read(scope(), None, b"").operation, Read)
    assert read(scope(if_none_match='"v1"'), None, b"") is None
    assert read(scope() | {"query_string": b"fields=status"}, None, b"") is None


@pytest.mark.parametrize("proxy", [[], [(b"x-forwarded-proto", b"http")]], ids=["plainly", "by a proxy"])
def test_it_takes_no_request_with_a_field_that_is_given_twice(proxy):
    taken = []
    for again in ([], [(b"authorization", b"Bearer other")]):
        headers = [*scope()["headers"], *again, *proxy]
        asked = EarlyRequest(headers, body=b'{"sync_mode": "count_up"}')
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fast_path._Serving, "start", lambda serving: taken.append(serving._request))
            assert fast_path.FastPath(None).try_handle(asked) == (not again)
    assert len(taken) == 1


def test_an_id_that_is_none_is_the_views_to_answer():
    assert read(scope(), "switch", b"{}", session_id="x") is None


@pytest.fixture(scope="module")
def api():
    """Alice at a process with limits that say how they stand, and stop nobody."""
    web = servers.web(RATE_LIMIT_GENERAL="100000/h", RATE_LIMIT_SWITCH="100000/h").wait_ready()
    with client_of(web, mint("alice", is_staff=False)) as client:
        yield client
    web.stop()


def is_instant(name):
    return name.endswith(("_at", "_from"))


def plain(value):
    """What two answers about two sessions have in common."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in CHANGING and not is_instant(name)}
    return [plain(item) for item in value] if isinstance(value, list) else value


def shape(answer):
    """All of an answer that has to be the same at both doors."""
    named = {
        name
        for name in answer.headers
        if name not in {"date", "x-request-id", "vary", "allow", "x-frame-options", "cross-origin-opener-policy"}
    }
    told = {name: answer.headers[name] for name in named if not name.startswith("ratelimit")}
    told.pop("content-length", None)
    told["etag"] = re.sub("-[0-9a-f]{8}", "", told.get("etag", ""))  # the epochs of two sessions differ
    return answer.status_code, named, told, plain(answer.json())


SEATS = [{"participant_id": one, "total_time_ms": 60_000} for one in IDS]
ASKED = {
    "nothing": {},
    "the next": {"json": {"next_participant_id": SEATS[1]["participant_id"]}},
    "the same again": {"json": {"next_participant_id": SEATS[0]["participant_id"]}},
    "somebody unknown": {"json": {"next_participant_id": str(uuid4())}},
    "not the active one": {"json": {"current_participant_id": SEATS[1]["participant_id"]}},
    "another version": {"json": {"expected_version": 77}},
    "this version": {"json": {"expected_version": 2}},
    "a key": {"headers": {"Idempotency-Key": "k"}},
    "an unknown field": {"json": {"surprise": 1}},
    "garbage": {"content": b"{", "headers": {"Content-Type": "application/json"}},
    "text": {"content": b"x", "headers": {"Content-Type": "text/plain"}},
    "a stranger": {"headers": bearer("garbage")},
    "no credentials": {"headers": {"Authorization": ""}},
    "any version": {"headers": {"If-Match": "*"}},
    "a version that it has": {"headers": {"If-Match": '"v1", "v2"'}},
    "a version that it has not": {"headers": {"If-Match": '"v77"'}},
    "a version of another epoch": {"headers": {"If-Match": '"v2-00000000"'}},
    "a weak tag": {"headers": {"If-Match": 'W/"v2"'}},
    "no tag": {"headers": {"If-Match": "v2"}},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("status", ["running", "pending"])
def test_both_doors_give_the_same_answer(api, status, asked):
    seen = []
    for door in ({}, SLOW):
        state = created(api, game(participants=SEATS))
        if status == "running":
            done(api.post(at(state, "start")))
        headers = asked.get("headers", {}) | door
        answers = [api.post(at(state, "switch"), **(asked | {"headers": headers})) for _ in range(2)]
        seen.append([shape(answer) for answer in answers])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", ["pending", "running", "paused", "completed"])
def test_both_doors_give_the_same_answer_to_every_command(api, status, verb):
    before = {"pending": (), "running": ("start",), "paused": ("start", "pause"), "completed": ("complete",)}[status]
    seen = []
    for door in ({}, SLOW):
        state = created(api, game(participants=SEATS))
        for step in before:
            done(api.post(at(state, step)))
        seen.append(shape(api.post(at(state, verb), json={"expected_version": len(before) + 1}, headers=door)))
    assert seen[0] == seen[1]


ELSEWHERE = str(uuid4())
CORRECTIONS = {
    "add": ("PATCH", "clock", {"json": {"adjust_ms": 5_000, "reason": "late"}}),
    "take": ("PATCH", "clock", {"json": {"adjust_ms": -5_000}}),
    "set": ("PATCH", "clock", {"json": {"set_ms": 30_000}}),
    "set to nothing": ("PATCH", "clock", {"json": {"set_ms": 0}}),
    "at least": ("PATCH", "clock", {"json": {"at_least_ms": 90_000}}),
    "at least what it has": ("PATCH", "clock", {"json": {"at_least_ms": 1_000}}),
    "no number": ("PATCH", "clock", {"json": {}}),
    "no body": ("PATCH", "clock", {}),
    "two numbers": ("PATCH", "clock", {"json": {"set_ms": 1, "adjust_ms": 1}}),
    "a negative time": ("PATCH", "clock", {"json": {"set_ms": -1}}),
    "an unknown field": ("PATCH", "clock", {"json": {"total_time_ms": 1}}),
    "another version": ("PATCH", "clock", {"json": {"set_ms": 1, "expected_version": 77}}),
    "a version that it has not": ("PATCH", "clock", {"json": {"set_ms": 1}, "headers": {"If-Match": '"v77"'}}),
    "a key": ("PATCH", "clock", {"json": {"adjust_ms": 1}, "headers": {"Idempotency-Key": "k"}}),
    "undo": ("POST", "undo", {}),
    "undo with a reason": ("POST", "undo", {"json": {"reason": "a slip"}}),
    "undo with a key": ("POST", "undo", {"headers": {"Idempotency-Key": "k"}}),
    "turn": ("POST", "turn", {"json": {"participant_id": SEATS[1]["participant_id"]}}),
    "the same turn": ("POST", "turn", {"json": {"participant_id": SEATS[0]["participant_id"]}}),
    "a turn elsewhere": ("POST", "turn", {"json": {"participant_id": ELSEWHERE}}),
    "nobody's turn": ("POST", "turn", {"json": {}}),
    "a turn with a key": (
        "POST",
        "turn",
        {"json": {"participant_id": SEATS[1]["participant_id"]}, "headers": {"Idempotency-Key": "k"}},
    ),
    "a wrong method for the clock": ("POST", "clock", {"json": {"set_ms": 1}}),
    "a wrong method for undo": ("PATCH", "undo", {}),
}
BEFORE = {
    "pending": (),
    "running": ("start",),
    "switched": ("start", "switch"),
    "paused": ("start", "pause"),
    "completed": ("complete",),
}


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize("status", BEFORE)
def test_both_doors_give_the_same_answer_to_corrections(api, status, correction):
    method, verb, asked = CORRECTIONS[correction]
    control = "60 5x30 byo-yomi" if status == "switched" else None
    seen = []
    for door in ({}, SLOW):
        state = created(api, game(participants=SEATS, time_control=control))
        for step in BEFORE[status]:
            done(api.post(at(state, step)))
        headers = asked.get("headers", {}) | door
        answers = [api.request(method, at(state, verb), **(asked | {"headers": headers})) for _ in range(2)]
        seen.append([shape(answer) for answer in answers])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("owner", ["alice", "bob"])
def test_both_doors_show_the_same_state_to_whom_it_is_for(api, owner):
    state = created(api, game(participants=SEATS), Authorization=bearer(mint(owner, is_staff=False))["Authorization"])
    fast, slow = api.get(at(state)), api.get(at(state), headers={"If-None-Match": '"v99"'})
    assert shape(fast) == shape(slow)
    assert fast.status_code == (200 if owner == "alice" else 404)


REFUSED = {
    "status": ("pause", {}, 400),
    "version": ("start", {"json": {"expected_version": 7}}, 409),
    "precondition": ("start", {"headers": {"If-Match": '"v7"'}}, 412),
    "credentials": ("start", {"headers": bearer("garbage")}, 401),
    "permission": ("start", {"headers": bearer(mint("bob", is_staff=False))}, 404),
}


@pytest.mark.parametrize(("verb", "asked", "status"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_the_same_bytes_from_the_fast_path_and_from_the_view(api, verb, asked, status):
    state = created(api, game(participants=SEATS))
    ask = {"headers": {}} | asked
    fast, slow = (api.post(at(state, verb), **ask | {"headers": ask["headers"] | door}) for door in ({}, SLOW))
    assert ("allow" in fast.headers, "allow" in slow.headers) == (False, True)  # as DRF says
    assert (fast.status_code, fast.content) == (status, slow.content)
    assert shape(fast) == shape(slow)


def test_a_refused_stranger_is_limited_and_logged_by_address():
    web = servers.web(RATE_LIMIT_GENERAL="2/h").wait_ready()
    with client_of(web, "garbage") as api:
        paths = [f"/v1/sessions/{uuid4()}/switch" for _ in range(3)]
        answers = [api.post(path) for path in paths]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert all(answer.headers["ratelimit"].startswith('"anonymous";') for answer in answers)
        assert answers[0].headers["www-authenticate"] == "Bearer"
        assert 0 < int(answers[2].headers["retry-after"]) <= 3600
        assert all("allow" not in answer.headers for answer in answers)  # the view was not asked
        for reason, number in (("bad_credentials", 2), ("rate_limit", 1)):
            servers.wait_until(
                lambda reason=reason, number=number: web.output().count(f"reason={reason}") == number, 30, reason
            )
    web.stop()


def test_a_session_that_is_not_there_is_told_alike(api):
    path = f"/v1/sessions/{uuid4()}/switch"
    fast, slow = api.post(path), api.post(path, headers=SLOW)
    assert shape(fast) == shape(slow)
    refused(fast, 404, "SESSION_NOT_FOUND")


def test_a_key_that_one_door_has_seen_the_other_knows(api):
    for doors in (({}, SLOW), (SLOW, {})):
        state = done(api.post(at(created(api), "start")))
        body = {"expected_version": 2, "current_participant_id": None}
        first, again = (api.post(at(state, "switch"), json=body, headers={"Idempotency-Key": "k"} | d) for d in doors)
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        other = api.post(at(state, "switch"), json={}, headers={"Idempotency-Key": "k"} | doors[1])
        refused(other, 422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_not_for_this_door(api, method):
    refused(api.request(method, at(created(api), "switch")), 405, "METHOD_NOT_ALLOWED")


def test_it_says_how_the_limits_stand(api):
    state = done(api.post(at(created(api), "start")))
    answer = api.post(at(state, "switch"))
    assert answer.headers["ratelimit-policy"] == '"general";q=100000;w=3600, "switch";q=100000;w=3600'
    assert answer.headers["ratelimit"].count("r=999") == 2


def test_beyond_the_limit_it_says_when_to_come_again():
    web = servers.web(RATE_LIMIT_GENERAL="5/h", RATE_LIMIT_SWITCH="1/h").wait_ready()
    with client_of(web, mint("alice", is_staff=False)) as api:
        state = done(api.post(at(created(api), "start")))
        assert api.post(at(state, "switch")).status_code == httpx.codes.OK
        error = refused(api.post(at(state, "switch")), 429, "RATE_LIMIT_EXCEEDED")
        assert 3500 < error["retry_after_seconds"] <= 3600
        assert api.post(at(state, "switch")).status_code == httpx.codes.TOO_MANY_REQUESTS
        last = api.post(at(state, "switch"))
        assert last.headers["ratelimit"].startswith('"general";r=0;')
        with client_of(web, mint("moderator", is_staff=True)) as moderator:
            assert done(moderator.get(at(state)))["version"] == 3
    web.stop()


@pytest.mark.parametrize("origins", ["", "*", "https://app.example,https://other.example"])
def test_pages_of_other_origins_get_the_same_permission_at_both_doors(origins):
    web = servers.web(SYNCKAIROS_CORS_ORIGINS=origins).wait_ready()
    with client_of(web, mint("alice", is_staff=False)) as api:
        state = done(api.post(at(created(api), "start")))
        for asked in ({}, {"Origin": "https://app.example"}, {"Origin": "https://evil.example"}):
            fast, slow = (api.post(at(state, "switch"), headers=asked | door) for door in ({}, SLOW))
            assert ("allow" in fast.headers, "allow" in slow.headers) == (False, True)  # as DRF says
            for name in ("access-control-allow-origin", "access-control-expose-headers"):
                assert fast.headers.get(name) == slow.headers.get(name)
            assert ("Origin" in fast.headers.get("vary", "")) == ("Origin" in slow.headers.get("vary", ""))
    web.stop()
