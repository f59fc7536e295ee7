"""What a creation may ask for, and what it makes of it."""

from uuid import UUID

import pytest

from synckairos.engine import MAX_PARTICIPANTS, create_session, problems
from synckairos.engine import commands as cmd
from synckairos.engine.refusals import Problems
from synckairos.engine.units import SyncMode

NEEDED = "This field is required in {} mode."


@pytest.mark.parametrize(
    ("mode", "fields"),
    [
        ("per_participant", {"increment_ms": 60_000}),
        ("per_group", {"teams": {"A": "X", "B": "Y"}, "increment_ms": 1}),
        ("per_group", {"teams": {"A": "X", "B": "Y"}, "groups": {"X": 1, "Y": 1}}),
        ("per_group", {"teams": {"A": "X", "B": "X"}, "groups": {"X": 1, "Y": 1}}),
        ("per_cycle", {"time_per_cycle_ms": 1}),
        ("global", {"total_time_ms": 1}),
        ("global", {"total_time_ms": 1, "seats": ""}),
        ("count_up", {}),
        ("count_up", {"seats": ""}),
        ("per_participant", {"opener": "B"}),
        ("per_participant", {"indexes": {"A": 1, "B": 0}}),
    ],
)
def test_nothing_is_wrong(create, mode, fields):
    assert problems(create(mode, **fields)) == []


@pytest.mark.parametrize(
    ("mode", "fields", "found"),
    [
        ("per_cycle", {}, [("time_per_cycle_ms", NEEDED.format("per_cycle"))]),
        ("global", {}, [("total_time_ms", NEEDED.format("global"))]),
        (
            "per_participant",
            {"seats": ""},
            [("participants", "At least 1 participant is required in per_participant mode.")],
        ),
        ("per_group", {"seats": ""}, [("participants", "At least 1 participant is required in per_group mode.")]),
        (
            "per_cycle",
            {"seats": "", "time_per_cycle_ms": 1},
            [("participants", "At least 1 participant is required in per_cycle mode.")],
        ),
        (
            "per_cycle",
            {"time_per_cycle_ms": 1, "increment_ms": 1},
            [("increment_ms", "An increment has no meaning in per_cycle mode.")],
        ),
        (
            "global",
            {"total_time_ms": 1, "increment_ms": 1},
            [("increment_ms", "An increment has no meaning in global mode.")],
        ),
        ("count_up", {"increment_ms": 1}, [("increment_ms", "An increment has no meaning in count_up mode.")]),
        ("per_participant", {"opener": "Z"}, [("active_participant_id", "Not one of participants.")]),
        (
            "per_participant",
            {"indexes": {"A": 4, "B": 4}},
            [(f"participants.{place}.participant_index", "Duplicate participant_index.") for place in (0, 1)],
        ),
        (
            "per_participant",
            {"indexes": {"A": 1}},
            [(f"participants.{place}.participant_index", "Duplicate participant_index.") for place in (0, 1)],
        ),
        (
            "per_group",
            {"teams": {"B": "X"}},
            [("participants.0.group_id", NEEDED.format("per_group"))],
        ),
        (
            "per_group",
            {"teams": {"A": "X", "B": "Y"}, "groups": {"X": 1}},
            [("participants.1.group_id", "Not one of groups.")],
        ),
        (
            "per_group",
            {"teams": {"A": "X", "B": "X", "C": "X"}, "seats": {"A": 5, "B": 6, "C": 5}},
            [
                (
                    "participants.1.total_time_ms",
                    "Members of a group must have the same total_time_ms when groups is not given.",
                )
            ],
        ),
    ],
)
def test_one_broken_rule_is_named(create, mode, fields, found):
    assert problems(create(mode, **fields)) == found


def test_participants_that_occur_twice_are_named_each(ident):
    seat = cmd.Seat(ident("A"), 1_000)
    create = cmd.Create.of(SyncMode.PER_PARTICIPANT, (seat, cmd.Seat(ident("B"), 1), seat))
    assert problems(create) == [
        (f"participants.{place}.participant_id", "Duplicate participant_id.") for place in (0, 2)
    ]


def test_groups_that_occur_twice_are_named_each(ident):
    group = cmd.GroupBank(ident("X"), 1_000)
    create = cmd.Create.of(SyncMode.PER_GROUP, (cmd.Seat(ident("A"), 1, group_id=ident("X")),), (group, group))
    assert problems(create) == [(f"groups.{place}.group_id", "Duplicate group_id.") for place in (0, 1)]


@pytest.mark.parametrize(("count", "fits"), [(MAX_PARTICIPANTS, True), (MAX_PARTICIPANTS + 1, False)])
def test_there_is_room_for_a_thousand(count, fits):
    create = cmd.Create.of(SyncMode.COUNT_UP, tuple(cmd.Seat(UUID(int=number), 0) for number in range(count)))
    assert problems(create) == ([] if fits else [("participants", "At most 1000 participants are allowed.")])


def test_all_broken_rules_are_named_at_once(create):
    wrong = create("global", "A B", indexes={"A": 2, "B": 2}, increment_ms=5, opener="Z")
    with pytest.raises(Problems) as refused:
        create_session(wrong, session_id=UUID(int=1), epoch="e", now=0)
    assert [field for field, _ in refused.value.problems] == [
        "increment_ms",
        "participants.0.participant_index",
        "participants.1.participant_index",
        "active_participant_id",
        "total_time_ms",
    ]


def test_the_total_is_the_sum_of_the_participants_unless_given(session):
    seats = {"A": 5_000, "B": 6_000}
    assert session("per_participant", seats).state.config.total_time_ms == 11_000
    assert session("per_participant", seats, total_time_ms=9).state.config.total_time_ms == 9


def test_a_session_keeps_what_it_was_created_with(create):
    asked = create("per_participant", start_at_ms=9_000, metadata={"room": [1, {"x": None}]}, max_time_ms=77)
    made = create_session(asked, session_id=UUID(int=7), epoch="e7", now=5)
    config = made.state.config
    assert (made.state.session_id, made.state.epoch, made.before) == (UUID(int=7), "e7", made.state)
    assert (config.start_at_ms, config.metadata, config.max_time_ms) == (9_000, {"room": [1, {"x": None}]}, 77)
    assert [event.name for event in made.events] == ["session.created"]


def test_thresholds_are_kept_once_each_and_largest_first(session):
    s = session("per_participant", warn_at=[5, 10, 5, 30])
    assert s.state.config.warning_thresholds_ms == (30, 10, 5)
