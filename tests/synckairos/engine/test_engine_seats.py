"""Participants who come later, and groups."""

from uuid import UUID

import pytest

from synckairos.engine import MAX_PARTICIPANTS, decide
from synckairos.engine import commands as cmd
from synckairos.engine.refusals import NoSuchParticipant, Problems
from synckairos.engine.state import NO_PERSON


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
def test_a_newcomer_takes_the_next_index(session, status):
    s = session("per_participant")
    if status != "pending":
        s.start(0)
    if status == "paused":
        s.pause(500)
    s.add(1_000, "C", 7_000)
    seat = s.seat("C")
    assert (s.order, seat.participant_index, seat.total_time_ms, seat.time_used_ms) == ("ABC", 2, 7_000, 0)


def test_a_newcomer_may_take_a_place_in_between(session):
    s = session("per_participant", "A B", indexes={"A": 10, "B": 20}).start(0)
    s.add(1_000, "C", index=15)
    s.switch(2_000)
    assert (s.order, s.active) == ("ACB", "C")


def test_a_newcomer_in_front_moves_nobodys_turn(session):
    s = session("per_participant", "A B", indexes={"A": 10, "B": 20}, opener="B").start(0)
    s.add(1_000, "C", index=0)
    assert (s.order, s.active, s.used("B", 3_000)) == ("CAB", "B", 3_000)


def test_a_newcomer_in_front_changes_not_who_opens(session):
    s = session("per_participant", "A B", indexes={"A": 10, "B": 20})
    s.add(1_000, "C", index=0)
    assert s.start(2_000).active == "A"


def test_the_first_newcomer_opens_an_empty_session(session):
    s = session("global", "", total_time_ms=60_000)
    s.add(1_000, "A")
    s.add(1_000, "B")
    assert (s.start(2_000).active, s.order) == ("A", "AB")


def test_a_newcomer_leaves_the_running_clock_alone(session):
    s = session("per_participant").start(0)
    s.add(5_000, "C")
    assert (s.left("A", 6_000), s.used("A", 6_000), s.deadline) == (54_000, 6_000, ("expiry", 60_000))


def test_a_newcomer_keeps_its_user(session, ident):
    s = session("per_participant")
    s.do(cmd.AddParticipant(cmd.Seat(ident("C"), 5, user_id="u-7")), 0)
    assert s.seat("C").user_id == "u-7"
    assert s.last("participant.added").participant == s.seat("C")


def test_a_newcomer_to_a_group_draws_on_its_bank(session):
    s = session("per_group", teams={"A": "X", "B": "Y"}).start(0)
    s.switch(10_000)
    s.add(11_000, "C", 7_000, team="X")
    assert (s.left("C", 12_000), s.left("A", 12_000)) == (50_000, 50_000)


def test_a_newcomer_to_the_group_that_plays_sees_its_clock_run(session):
    s = session("per_group", teams={"A": "X", "B": "Y"}).start(0)
    s.add(10_000, "C", 7_000, team="X")
    assert s.left("C", 12_000) == s.left("A", 12_000) == 48_000


def test_a_newcomer_to_an_expired_group_has_expired(session):
    s = session("per_group", teams={"A": "X", "B": "Y"}, on_timeout="skip_cycle").start(0)
    s.look(60_000)
    s.add(61_000, "C", team="X")
    s.switch(62_000)
    assert (s.seat("C").has_expired, s.active) == (True, "B")


def test_a_newcomer_may_found_a_group(session):
    s = session("per_group", teams={"A": "X", "B": "Y"}).start(0)
    s.add(1_000, "C", 7_000, team="Z")
    s.switch(2_000, to="C")
    assert (s.bank("Z").total_time_ms, s.deadline) == (7_000, ("expiry", 9_000))


def test_all_that_is_wrong_with_a_newcomer_is_named_at_once(session):
    s = session("per_group", teams={"A": "X", "B": "Y"})
    before = s.state
    with pytest.raises(Problems) as refused:
        s.add(0, "B", index=0)
    assert refused.value.problems == [
        ("participant_id", "Duplicate participant_id."),
        ("participant_index", "Duplicate participant_index."),
        ("group_id", "This field is required in per_group mode."),
    ]
    assert str(refused.value).startswith("participant_id: Duplicate participant_id.; participant_index: ")
    assert s.state == before


def test_a_session_has_room_for_so_many_and_no_more(session):
    s = session("count_up", "A")
    for number in range(1, MAX_PARTICIPANTS):
        s.state = decide(s.state, cmd.AddParticipant(cmd.Seat(UUID(int=number), 0)), 0).state
    with pytest.raises(Problems) as refused:
        s.add(0, "B")
    assert refused.value.problems == [("participant_id", "A session has at most 1000 participants.")]


def test_groups_that_are_given_own_the_time_not_their_members(session):
    s = session(
        "per_group", {"A": 1, "B": 2, "C": 3}, teams={"A": "X", "B": "Y", "C": "X"}, groups={"X": 9_000, "Y": 8_000}
    )
    assert [s.left(name, 0) for name in "ABC"] == [9_000, 8_000, 9_000]
    assert [s.seat(name).total_time_ms for name in "ABC"] == [9_000, 8_000, 9_000]


def test_groups_that_are_not_given_have_their_members_common_time(session):
    s = session("per_group", {"A": 9_000, "B": 8_000, "C": 9_000}, teams={"A": "X", "B": "Y", "C": "X"})
    assert (s.bank("X").total_time_ms, s.bank("Y").total_time_ms, len(s.state.groups)) == (9_000, 8_000, 2)


def test_groups_play_no_part_where_each_has_a_bank_of_its_own(session):
    s = session("per_participant", {"A": 5_000, "B": 6_000}, teams={"A": "X", "B": "X"}, groups={"X": 9_000}).start(0)
    s.switch(1_000)
    assert [s.left(name, 1_000) for name in "AB"] == [4_000, 6_000]
    assert s.bank("X").total_time_ms == 9_000


def test_a_groups_time_runs_out_for_all_its_members(session):
    s = session("per_group", "A B C", teams={"A": "X", "B": "Y", "C": "X"}).start(0)
    s.switch(50_000, to="C")
    s.look(60_000)
    assert [s.seat(name).has_expired for name in "ABC"] == [True, False, True]
    assert [s.used(name, 60_000) for name in "ABC"] == [50_000, 0, 10_000]


@pytest.mark.parametrize("status", ["pending", "running", "paused", "completed"])
def test_a_seat_is_given_to_another_person_and_to_nobody_at_any_time(session, status):
    s = session("per_participant")
    if status != "pending":
        s.start(0)
    if status == "paused":
        s.pause(500)
    if status == "completed":
        s.complete(500)
    before = s.state
    s.assign(1_000, "B", "carol", "Bob had to leave.")
    assert (s.seat("B").user_id, s.seat("A").user_id, s.status) == ("carol", None, status)
    told = s.last("participant.assigned")
    assert (told.user_id, told.reason) == ("carol", "Bob had to leave.")
    s.assign(1_500, "B")
    assert (s.seat("B").user_id, s.version) == (NO_PERSON, before.version + 2)


def test_a_seat_leaves_the_running_clock_alone(session):
    s = session("per_participant").start(0)
    s.assign(5_000, "A", "carol")
    assert (s.left("A", 6_000), s.used("A", 6_000), s.deadline) == (54_000, 6_000, ("expiry", 60_000))


def test_a_seat_that_is_that_persons_already_is_no_event(session):
    s = session("per_participant")
    s.assign(0, "A", "carol")
    version = s.version
    s.assign(1, "A", "carol")
    assert s.version == version


def test_a_seat_that_is_not_there_cannot_be_assigned(session):
    with pytest.raises(NoSuchParticipant):
        session("per_participant").assign(0, "Z", "carol")
