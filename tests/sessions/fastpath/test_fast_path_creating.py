"""Creating at the hot door against the DRF view behind it: the same sessions, and the same answers to what is wrong."""

from __future__ import annotations

from uuid import uuid4

import pytest

from synckairos.auth.principal import mint
from tests import servers
from tests.conftest import bearer, client_of
from tests.sessions.fastpath.test_fast_path import SLOW, shape
from tests.sessions.rest.controls import CONTROLS, WRONG
from tests.talk import at, created, done, refused

IDS = [str(uuid4()) for _ in range(3)]
GROUPS = [str(uuid4()) for _ in range(2)]


def seats(*ids, **more):
    return [{"participant_id": one, "total_time_ms": 60_000, **more} for one in ids]


def chess(**more):
    return {"sync_mode": "per_participant", "participants": seats(*IDS[:2]), **more}


TAKEN = {
    "chess": chess(),
    "a schedule": chess(start_at="2030-01-01T00:00:00.000Z"),
    "an increment": chess(increment_ms=2_000, max_time_ms=120_000),
    "nulls": chess(session_id=None, total_time_ms=None, metadata=None, action_on_timeout=None, visibility=None),
    "another opener": chess(active_participant_id=IDS[1]),
    "people": {**chess(), "participants": seats(*IDS[:2], user_id="ada@example.org")},
    "indexes": {**chess(), "participants": [{**s, "participant_index": 9 - i} for i, s in enumerate(seats(*IDS[:2]))]},
    "groups": {
        "sync_mode": "per_group",
        "participants": [{**s, "group_id": GROUPS[i]} for i, s in enumerate(seats(*IDS[:2]))],
        "groups": [{"group_id": one, "total_time_ms": 90_000} for one in GROUPS],
    },
    "a quiz": {
        "sync_mode": "per_cycle",
        "participants": seats(*IDS),
        "time_per_cycle_ms": 5_000,
        "action_on_timeout": {"type": "skip_cycle", "note": "a", "deep": [1, {"x": None}]},
        "warning_thresholds_ms": [1_000, 3_000],
        "metadata": {"round": 1.5, "title": "ünïcode"},
        "auto_advance": True,
    },
    "a meeting": {"sync_mode": "global", "total_time_ms": 600_000, "visibility": "link", "permissions": ["pause"]},
    "a stopwatch": {"sync_mode": "count_up"},
    "sides": chess(time_control="300=600 5x30 byo-yomi"),
    "sides without times": {
        **chess(time_control="300=600"),
        "participants": [{"participant_id": one} for one in IDS[:2]],
    },
    "controls of participants": {
        **chess(time_control="300+2"),
        "participants": [
            *seats(IDS[0], time_control="60"),
            *seats(IDS[1], time_control={"type": "delay", "delay_ms": 5}),
        ],
    },
    "controls of groups": {
        "sync_mode": "per_group",
        "participants": [{"participant_id": one, "group_id": GROUPS[i]} for i, one in enumerate(IDS[:2])],
        "groups": [{"group_id": one, "time_control": "90+5"} for one in GROUPS],
    },
    "lag that is compensated": chess(time_control="300+2", lag_compensation=True),
    **{f"{name} as an object": chess(time_control=control) for name, (control, _) in CONTROLS.items()},
    **{f"{name} in notation": chess(time_control=text) for name, (_, text) in CONTROLS.items()},
}

LEFT = {
    "nothing": {},
    "a list": [],
    "an unknown field": chess(surprise=1),
    "an unknown field of a seat": {**chess(), "participants": seats(*IDS[:2], surprise=1)},
    "an unknown mode": chess(sync_mode="sideways"),
    "too little time": {**chess(), "participants": [{"participant_id": IDS[0], "total_time_ms": 999}]},
    "too much time": chess(total_time_ms=86_400_001),
    "a text for a number": chess(increment_ms="2000"),
    "a truth for a number": chess(increment_ms=True),
    "a broken number": chess(increment_ms=1.5),
    "a number for a truth": chess(auto_advance=1),
    "nobody": {"sync_mode": "per_participant"},
    "the same twice": {**chess(), "participants": seats(IDS[0], IDS[0])},
    "a stranger opens": chess(active_participant_id=IDS[2]),
    "an id without hyphens": chess(session_id=uuid4().hex),
    "an id in braces": chess(session_id=f"{{{uuid4()}}}"),
    "an id of no kind": {**chess(), "participants": seats("x")},
    "a name with a space": {**chess(), "participants": seats(*IDS[:2], user_id=" ada")},
    "an empty name": {**chess(), "participants": seats(*IDS[:2], user_id="")},
    "a long name": {**chess(), "participants": seats(*IDS[:2], user_id="a" * 513)},
    "a name with a line's end": {**chess(), "participants": seats(*IDS[:2], user_id="ada\n")},
    "an action of no kind": chess(action_on_timeout={"type": "explode"}),
    "an action without a kind": chess(action_on_timeout={}),
    "an action whose kind is a list": chess(action_on_timeout={"type": []}),
    "large metadata": chess(metadata={"x": "y" * 5_000}),
    "metadata of large numbers": chess(metadata={"x": 2**64}),
    "metadata that is a list": chess(metadata=[1]),
    "too many warnings": chess(warning_thresholds_ms=list(range(1, 10))),
    "a warning of nothing": chess(warning_thresholds_ms=[0]),
    "an unknown permission": chess(permissions=["delete"]),
    "a permission that is no text": chess(permissions=[1]),
    "an unknown visibility": chess(visibility="maybe"),
    "a whole number as JavaScript may write it": chess(increment_ms=2_000.0),
    "NUL in metadata": chess(metadata={"x": "a\0b"}),
    "NUL in a name of metadata": chess(metadata={"a\0b": 1}),
    "NUL in an action": chess(action_on_timeout={"type": "notify", "x": "\0"}),
    "a schedule of no kind": chess(start_at="soon"),
    "too many sides": chess(time_control="1=2=3"),
    "sides of a quiz": {"sync_mode": "per_cycle", "time_per_cycle_ms": 5_000, "time_control": "1=2"},
    "an increment and a control": chess(time_control="300+2", increment_ms=1),
    "an increment and sides": chess(time_control="300=600", increment_ms=1),
    "an hourglass of one": {**chess(time_control="*60"), "participants": seats(IDS[0])},
    "a time that nobody says": {**chess(), "participants": [{"participant_id": IDS[0]}]},
    "a whole number of a control as JavaScript may write it": chess(time_control={"type": "per_turn", "time_ms": 1e4}),
    **{f"a control: {name}": chess(time_control=control) for name, (control, _, _) in WRONG.items()},
    **{
        f"an own control: {name}": {**chess(), "participants": seats(*IDS[:2], time_control=control)}
        for name, (control, _, _) in WRONG.items()
    },
}


@pytest.fixture(scope="module")
def api():
    """Alice at a process with limits that say how they stand, and stop nobody."""
    web = servers.web(RATE_LIMIT_GENERAL="100000/h", RATE_LIMIT_CREATE="100000/h").wait_ready()
    with client_of(web, mint("alice", is_staff=False)) as client:
        yield client
    web.stop()


def both(api, body, **headers):
    return [api.post("/v1/sessions", json=body, headers=headers | door) for door in ({}, SLOW)]


def is_by_the_view(answer):
    return "allow" in answer.headers  # which DRF says with every answer


@pytest.mark.parametrize("body", TAKEN.values(), ids=TAKEN)
def test_a_well_formed_creation_makes_the_same_session_at_both_doors(api, body):
    fast, slow = both(api, body)
    assert (fast.status_code, is_by_the_view(fast), is_by_the_view(slow)) == (201, False, True)
    assert shape(fast) == shape(slow)
    assert done(api.get(at(fast.json()["data"])))["version"] == 1


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_the_view_finds_the_words_for_all_else(api, body):
    fast, slow = both(api, body)
    assert is_by_the_view(fast)
    assert shape(fast) == shape(slow)


def test_an_id_of_one_s_own_is_taken_once(api):
    wanted = str(uuid4())
    assert created(api, chess(session_id=wanted))["session_id"] == wanted
    fast, slow = both(api, chess(session_id=wanted))
    assert shape(fast) == shape(slow)
    refused(fast, 409, "SESSION_ALREADY_EXISTS")


def test_a_creation_repeated_with_its_key_at_another_door_makes_one_session(api):
    for doors in (({}, SLOW), (SLOW, {})):
        key = {"Idempotency-Key": str(uuid4())}
        first, again = (api.post("/v1/sessions", json=chess(), headers=key | door) for door in doors)
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        other = api.post("/v1/sessions", json=chess(increment_ms=1), headers=key | doors[1])
        refused(other, 422, "IDEMPOTENCY_KEY_REUSED")


def test_strangers_and_other_methods_are_answered_alike(api):
    fast, slow = both(api, chess(), **bearer("garbage"))
    assert shape(fast) == shape(slow)
    refused(fast, 401, "UNAUTHENTICATED")
    refused(api.put("/v1/sessions", json=chess()), 405, "METHOD_NOT_ALLOWED")


def test_both_limits_are_counted_and_hold():
    web = servers.web(RATE_LIMIT_GENERAL="5/h", RATE_LIMIT_CREATE="2/h").wait_ready()
    with client_of(web, mint("alice", is_staff=False)) as api:
        for left in (1, 0):
            answer = api.post("/v1/sessions", json=chess())
            assert answer.headers["ratelimit"].split(",")[1].strip().startswith(f'"create";r={left};')
        refused(api.post("/v1/sessions", json=chess()), 429, "RATE_LIMIT_EXCEEDED")
        assert api.post("/v1/sessions", json=chess(), headers=SLOW).status_code == 429
        assert api.post("/v1/sessions", json={}).headers["ratelimit"].startswith('"general";r=0;')
    web.stop()
