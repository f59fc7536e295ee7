"""Creating: defaults, the ids, and every rule of the create body."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.talk import JSON, at, created, done, game, ms, refused, seat, wrong_fields

MINUTE = 60_000
DAY = 86_400_000


def test_the_server_makes_an_id_when_none_is_given(api):
    one, two = created(api), created(api)
    assert UUID(one["session_id"]).version == 4
    assert one["session_id"] != two["session_id"]


@pytest.mark.parametrize("change", [str, str.upper])
def test_a_given_id_is_taken_and_shown_in_lower_case(api, change):
    wanted = str(uuid4())
    assert created(api, game(session_id=change(wanted)))["session_id"] == wanted


def test_an_id_in_use_is_refused_and_its_session_untouched(api, other_api):
    state = created(api)
    body = game(session_id=state["session_id"])
    error = refused(other_api.post("/v1/sessions", json=body), 409, "SESSION_ALREADY_EXISTS")
    assert state["session_id"] in error["message"]
    assert done(api.get(at(state)))["participants"] == state["participants"]


def test_of_many_who_create_one_id_at_once_one_succeeds(api, other_api):
    body = game(session_id=str(uuid4()))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: (api, other_api)[i % 2].post("/v1/sessions", json=body), range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]


def test_an_id_is_free_again_after_its_session_is_deleted(api):
    state = created(api)
    api.delete(at(state))
    assert created(api, game(session_id=state["session_id"]))["epoch"] != state["epoch"]


def test_the_total_is_the_sum_of_the_participants_unless_given(api):
    assert created(api)["total_time_ms"] == 2 * MINUTE
    assert created(api, game(total_time_ms=5_000))["total_time_ms"] == 5_000


def test_participants_without_an_index_take_their_place_in_the_list(api):
    assert [p["participant_index"] for p in created(api, game(3))["participants"]] == [0, 1, 2]


def test_participants_stand_in_the_order_of_their_indexes(api):
    seats = [seat(participant_index=index) for index in (9, 2, 5)]
    shown = created(api, game(participants=seats))["participants"]
    assert [p["participant_index"] for p in shown] == [2, 5, 9]
    assert shown[0]["participant_id"] == seats[1]["participant_id"]


def test_who_is_named_starts(api):
    body = game()
    second = body["participants"][1]["participant_id"]
    state = created(api, body | {"active_participant_id": second})
    assert done(api.post(at(state, "start")))["active_participant_id"] == second


def test_what_is_given_is_shown_again(api):
    given = {
        "increment_ms": 2_000,
        "max_time_ms": DAY,
        "metadata": {"table": 7, "größe": [None, {"x": 1.5, "big": 2**63}]},
        "auto_advance": True,
        "action_on_timeout": {"type": "skip_cycle", "penalty": {"points": -1}},
        "warning_thresholds_ms": [10_000, 5_000],
        "start_at": "2100-01-02T03:04:05.678Z",
    }
    state = created(api, game(**given))
    assert {name: state[name] for name in given} == given


def test_a_start_in_another_zone_is_shown_in_utc(api):
    state = created(api, game(start_at="2100-01-01T02:00:00+02:00"))
    assert state["start_at"] == "2100-01-01T00:00:00.000Z"


def test_a_start_in_the_past_starts_at_once(api):
    state = created(api, game(start_at="2026-01-01T00:00:00Z"))
    assert (state["status"], state["version"]) == ("running", 2)


def test_the_version_that_such_a_creation_answers_stands(api):
    """A threshold that is reached as the clock begins to run is due at the creation too."""
    state = created(api, game(start_at="2026-01-01T00:00:00Z", warning_thresholds_ms=[MINUTE, 1_000]))
    assert done(api.get(at(state)))["version"] == state["version"] == 3
    assert api.post(at(state, "switch"), json={"expected_version": state["version"]}).status_code == 200


@pytest.mark.parametrize("mode", ["global", "count_up"])
def test_some_modes_need_no_participants(api, mode):
    state = created(api, {"sync_mode": mode, "total_time_ms": MINUTE})
    assert state["participants"] == []
    running = done(api.post(at(state, "start")))
    assert running["active_participant_id"] is None
    assert done(api.post(at(state, "switch")))["active_participant_id"] is None


@pytest.mark.parametrize("amount", [1_000, DAY, 60_000.0])
def test_times_at_the_limits_are_taken(api, amount):
    shown = created(api, game(participants=[seat(total_time_ms=amount)]))["participants"][0]["total_time_ms"]
    assert shown == amount
    assert isinstance(shown, int)


def test_a_thousand_participants_are_taken_and_no_more(api):
    assert len(created(api, game(1000))["participants"]) == 1000
    assert wrong_fields(api.post("/v1/sessions", json=game(1001))) == ["participants"]


def test_unset_and_null_are_the_same(api):
    optional = ("session_id", "total_time_ms", "time_per_cycle_ms", "increment_ms", "max_time_ms", "metadata")
    ours = ("active_participant_id", "action_on_timeout", "start_at")
    state = created(api, game(**dict.fromkeys((*optional, *ours))))
    assert state["increment_ms"] == 0
    assert state["metadata"] is None
    assert "max_time_ms" not in state


def test_every_field_that_is_wrong_is_named_at_once(api):
    wrong: dict[str, Any] = {
        "session_id": "7",
        "sync_mode": "chess",
        "participants": [
            {"participant_id": "x", "participant_index": -1, "total_time_ms": 999, "group_id": 1, "user_id": 5},
            {},
            "nobody",
        ],
        "groups": [{"group_id": None, "total_time_ms": DAY + 1, "colour": "red"}],
        "total_time_ms": 0,
        "time_per_cycle_ms": "1000",
        "increment_ms": 60_001,
        "max_time_ms": True,
        "metadata": [],
        "active_participant_id": {},
        "auto_advance": "yes",
        "action_on_timeout": {"type": "explode"},
        "warning_thresholds_ms": [1, "2", 0],
        "start_at": "tomorrow",
        "surprise": 1,
    }
    assert wrong_fields(api.post("/v1/sessions", json=wrong)) == sorted(
        [
            *(f"participants.0.{name}" for name in wrong["participants"][0]),
            *("participants.1.participant_id", "participants.2"),
            *("groups.0.group_id", "groups.0.total_time_ms", "groups.0.colour"),
            *("warning_thresholds_ms.1", "warning_thresholds_ms.2", "action_on_timeout.type"),
            *(set(wrong) - {"participants", "groups", "warning_thresholds_ms", "action_on_timeout"}),
        ]
    )


@pytest.mark.parametrize("value", ["1000", True, 1500.5, [], {}, [1000], "", 10**30, -1, 1e300, "NaN"])
@pytest.mark.parametrize("field", ["total_time_ms", "time_per_cycle_ms", "max_time_ms", "increment_ms"])
def test_a_duration_is_a_json_integer_within_limits(api, field, value):
    assert wrong_fields(api.post("/v1/sessions", json=game(**{field: value}))) == [field]


@pytest.mark.parametrize("value", ["x", 1, True, None, {}, [], "per participant", "PER_PARTICIPANT"])
def test_the_mode_is_one_of_five(api, value):
    assert wrong_fields(api.post("/v1/sessions", json=game(sync_mode=value))) == ["sync_mode"]


@pytest.mark.parametrize(
    "value",
    ["", "x", 0, "{00000000-0000-4000-8000-000000000000}", "0" * 32, "urn:uuid:0f1c2d3e-4b5a-4697-8877-665544332211"],
)
def test_an_id_is_a_canonical_uuid(api, value):
    assert wrong_fields(api.post("/v1/sessions", json=game(session_id=value))) == ["session_id"]


@pytest.mark.parametrize("value", [None, "x", 1, True, {}, [None], [[]], [1]])
def test_participants_are_a_list_of_objects(api, value):
    fields = wrong_fields(api.post("/v1/sessions", json=game(participants=value)))
    assert {field.partition(".")[0] for field in fields} == {"participants"}


@pytest.mark.parametrize(
    "value",
    [
        "2100-01-01T00:00:00",
        "2100-01-01",
        5,
        "",
        True,
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "٢100-01-01T00:00:00Z",
    ],
)
def test_an_instant_carries_its_offset(api, value):
    assert wrong_fields(api.post("/v1/sessions", json=game(start_at=value))) == ["start_at"]


@pytest.mark.parametrize(
    "value", [{}, {"type": None}, {"type": []}, {"type": {}}, {"type": 1}, {"type": True}, {"type": "Notify"}]
)
def test_the_timeout_action_has_a_known_type(api, value):
    assert wrong_fields(api.post("/v1/sessions", json=game(action_on_timeout=value))) == ["action_on_timeout.type"]


def nested(levels: int) -> str:
    """Metadata with so many levels of nesting."""
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


@pytest.mark.parametrize("field", ["metadata", "action_on_timeout"])
@pytest.mark.parametrize(
    "value",
    [
        "[]",
        '"x"',
        "1",
        '{"type":"notify","a":"%s"}' % ("x" * 4096),
        '{"type":"notify","a":1%s}' % ("0" * 30),
        nested(101),
        nested(120),
    ],
)
def test_objects_are_small_and_shallow(api, field, value):
    body = f'{{"sync_mode":"global","total_time_ms":1000,"{field}":{value}}}'
    assert wrong_fields(api.post("/v1/sessions", content=body, headers=JSON)) == [field]


@pytest.mark.parametrize("field", ["metadata", "action_on_timeout"])
def test_a_body_that_nests_without_end_is_wrong_as_a_whole(api, field):
    body = f'{{"sync_mode":"global","total_time_ms":1000,"{field}":{nested(800)}}}'
    assert wrong_fields(api.post("/v1/sessions", content=body, headers=JSON)) == ["body"]


def test_metadata_of_4_kib_is_taken_and_one_byte_more_is_not(api):
    fits = {"a": "x" * (4096 - len('{"a":""}'))}
    assert created(api, game(metadata=fits))["metadata"] == fits
    over = {"a": fits["a"] + "x"}
    assert wrong_fields(api.post("/v1/sessions", json=game(metadata=over))) == ["metadata"]


def test_metadata_is_measured_in_bytes(api):
    assert wrong_fields(api.post("/v1/sessions", json=game(metadata={"a": "ä" * 2048}))) == ["metadata"]


def test_metadata_at_the_deepest_can_be_read_again(api, other_api):
    body = f'{{"sync_mode":"global","total_time_ms":1000,"metadata":{nested(100)}}}'
    state = api.post("/v1/sessions", content=body, headers=JSON).json()["data"]
    assert done(other_api.get(at(state)))["metadata"] == state["metadata"]


def test_duplicates_are_named_wherever_they_stand(api):
    twin = str(uuid4())
    seats = [seat(participant_id=twin), seat(), seat(participant_id=twin.upper())]
    named = ["participants.0.participant_id", "participants.2.participant_id"]
    assert wrong_fields(api.post("/v1/sessions", json=game(participants=seats))) == named
    seats = [seat(participant_index=1), seat(participant_index=1), seat(participant_index=3)]
    named = ["participants.0.participant_index", "participants.1.participant_index"]
    assert wrong_fields(api.post("/v1/sessions", json=game(participants=seats))) == named


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"participants": []}, "participants"),
        ({"sync_mode": "per_cycle"}, "time_per_cycle_ms"),
        ({"sync_mode": "global"}, "total_time_ms"),
        ({"sync_mode": "global", "total_time_ms": 1000, "increment_ms": 1}, "increment_ms"),
        ({"sync_mode": "count_up", "increment_ms": 1}, "increment_ms"),
        ({"sync_mode": "per_cycle", "time_per_cycle_ms": 1000, "increment_ms": 1}, "increment_ms"),
        ({"active_participant_id": str(uuid4())}, "active_participant_id"),
        ({"warning_thresholds_ms": list(range(1, 10))}, "warning_thresholds_ms"),
        ({"sync_mode": "per_group", "participants": [seat()]}, "participants.0.group_id"),
    ],
)
def test_rules_between_fields(api, changes, field):
    assert wrong_fields(api.post("/v1/sessions", json=game(**changes))) == [field]


def test_members_of_a_group_share_their_time(api):
    team = str(uuid4())
    seats = [seat(group_id=team), seat(group_id=team, total_time_ms=5_000)]
    answer = api.post("/v1/sessions", json=game(sync_mode="per_group", participants=seats))
    assert wrong_fields(answer) == ["participants.1.total_time_ms"]
    state = created(
        api, game(sync_mode="per_group", participants=seats, groups=[{"group_id": team, "total_time_ms": 9_000}])
    )
    (group,) = state["groups"]
    assert group == {"group_id": team, "total_time_ms": 9_000, "time_remaining_ms": 9_000, "has_expired": False}
    assert [p["total_time_ms"] for p in state["participants"]] == [9_000, 9_000]


def test_a_refused_creation_creates_nothing(api):
    wanted = str(uuid4())
    wrong_fields(api.post("/v1/sessions", json=game(session_id=wanted, surprise=1)))
    refused(api.get(f"/v1/sessions/{wanted}"), 404, "SESSION_NOT_FOUND")


def test_the_creation_is_answered_as_of_its_own_instant(api):
    state = created(api)
    assert state["server_time_ms"] == ms(state["created_at"]) == ms(state["updated_at"])


def test_a_start_beyond_a_hundred_years_is_refused(api):
    refused = api.post("/v1/sessions", json={"sync_mode": "count_up", "start_at": "2200-01-01T00:00:00.000Z"})
    assert refused.json()["error"]["details"] == [{"field": "start_at", "message": "At most a hundred years ahead."}]
