"""What a client draws between two frames is what the server would say, in every mode."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from synckairos.engine import SyncMode, create_session, decide
from synckairos.engine.commands import Create, Pause, Resume, Seat, Start, Switch
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.stages import Stage, Stages
from synckairos.engine.controls.time_bank import TimeBank
from synckairos.engine.decide import observe
from synckairos_client import Clock, clock
from tests.clients.seen_states import as_seen, as_seen_from_an_older_server

A, B, C = (UUID(int=number) for number in (1, 2, 3))
TEAMS = {A: UUID(int=11), B: UUID(int=11), C: UUID(int=12)}
MODES = {
    "per_participant": {"increment_ms": 2_000},
    "per_group": {},
    "per_cycle": {"time_per_cycle_ms": 8_000},
    "global": {"total_time_ms": 25_000},
    "count_up": {},
    "count_up with an end": {"max_time_ms": 25_000},
}
LONG_AFTER_MS = (0, 1, 4_999, 5_000, 7_999, 8_000, 12_345, 90_000)


def session(name: str):
    mode = SyncMode(name.partition(" ")[0])
    seats = tuple(Seat(seat, 20_000, group_id=TEAMS[seat] if mode is SyncMode.PER_GROUP else None) for seat in TEAMS)
    create = Create.of(mode, seats, **MODES[name])
    return create_session(create, session_id=uuid4(), epoch="e", now=0).state


def stories(name):
    """The state after each step of a game, and when the step was."""
    state = session(name)
    yield 0, state
    for now, command in ((1_000, Start()), (4_000, Switch()), (6_000, Pause()), (9_000, Resume()), (10_000, Switch())):
        state = decide(state, command, now).state
        yield now, state


@pytest.mark.parametrize("told", [as_seen, as_seen_from_an_older_server], ids=["", "older server"])
@pytest.mark.parametrize("name", MODES)
def test_every_clock_shows_what_the_server_would_say_at_that_instant(name, told):
    for began, state in stories(name):
        seen = told(state, began)
        for later in LONG_AFTER_MS:
            now = began + later
            truth = as_seen(observe(state, now).state, now)
            assert clock.remaining_ms(seen, now) == truth["time_remaining_ms"]
            assert clock.elapsed_ms(seen, now) == truth["elapsed_ms"]
            assert clock.overtime_ms(seen, now) == truth["overtime_ms"]
            for seat in truth["participants"]:
                shown = clock.remaining_ms(seen, now, seat["participant_id"])
                assert shown == seat["time_remaining_ms"], (name, began, later, seat)


def test_the_bank_formula_gives_the_same_in_the_bank_modes():
    for name in ("per_participant", "per_group"):
        began, state = list(stories(name))[-1]
        seen = as_seen(state, began + 700)
        active = next(seat for seat in seen["participants"] if seat["is_active"])
        now = began + 3_000
        assert clock.remaining_ms(seen, now, active["participant_id"]) == active["total_time_ms"] - (now - began)


def test_a_clock_never_shows_less_than_nothing_nor_more_than_it_had():
    began, state = list(stories("global"))[1]
    seen = as_seen(state, began)
    assert clock.remaining_ms(seen, began + 10**9) == 0
    assert clock.remaining_ms(seen, began - 50) == 25_000  # the offset was a little wrong
    assert clock.elapsed_ms(seen, began - 50) == 0


def test_somebody_who_is_not_in_the_session_has_no_clock():
    began, state = next(iter(stories("per_cycle")))
    with pytest.raises(KeyError):
        clock.remaining_ms(as_seen(state, began), began, str(uuid4()))


def test_a_group_has_the_clock_of_its_members_also_from_an_older_server():
    began, state = list(stories("per_group"))[-1]
    for told in (as_seen, as_seen_from_an_older_server):
        seen = told(state, began)
        active, other = seen["groups"]
        if seen["active_group_id"] != active["group_id"]:
            active, other = other, active
        draining, resting = (clock.group_clock(seen, began + 500, one["group_id"]) for one in (active, other))
        assert (draining.remaining_ms, draining.is_draining) == (active["total_time_ms"] - 500, True)
        assert (resting.remaining_ms, resting.is_draining) == (other["total_time_ms"], False)


def a_turn(control, at=0):
    """What is seen of two players with 20 s each, at an instant of the first turn."""
    seats = (Seat(A, 20_000), Seat(B, 20_000))
    create = Create.of(SyncMode.PER_PARTICIPANT, seats, time_control=control)
    state = create_session(create, session_id=uuid4(), epoch="e", now=0).state
    return as_seen(observe(decide(state, Start(), 0).state, at).state, at)


def test_a_clock_drains_after_its_lead_in():
    seen = a_turn(Delay(delay_ms=5_000))
    shown = [clock.participant_clock(seen, now, str(A)) for now in (0, 2_000, 5_000, 6_500, 25_000)]
    assert [one.lead_in_ms for one in shown] == [5_000, 3_000, 0, 0, 0]
    assert [one.remaining_ms for one in shown] == [20_000, 20_000, 20_000, 18_500, 0]
    assert [one.is_draining for one in shown] == [False, False, True, True, False]
    assert clock.overtime_ms(seen, 26_000) == 1_000


def test_an_hourglass_gains_until_the_other_clock_has_ended():
    seen = a_turn(Hourglass(), at=1_000)
    shown = [clock.participant_clock(seen, now, str(B)) for now in (500, 1_000, 7_000, 20_000, 30_000)]
    assert [one.remaining_ms for one in shown] == [21_000, 21_000, 27_000, 40_000, 40_000]
    assert [one.is_gaining for one in shown] == [True, True, True, False, False]


def test_the_phase_and_what_it_counts_are_read():
    byo_yomi = ByoYomi(periods=3, period_ms=10_000)
    shown = clock.participant_clock(a_turn(byo_yomi, at=31_000), 32_000, str(A))
    assert (shown.phase, shown.periods_left, shown.remaining_ms) == ("byo_yomi", 2, 8_000)
    stages = Stages(stages=(Stage(time_ms=5_000, turns=40), Stage(time_ms=5_000)))
    shown = clock.participant_clock(a_turn(stages), 0, str(A))
    assert (shown.phase, shown.stage, shown.turns_left) == ("main", 1, 40)
    shown = clock.participant_clock(a_turn(TimeBank(allowance_ms=4_000)), 0, str(A))
    assert (shown.phase, shown.remaining_ms, shown.reserve_ms) == ("allowance", 4_000, 20_000)
    overtime = Overtime(max_overtime_ms=600_000)
    shown = clock.participant_clock(a_turn(overtime, at=80_001), 80_001, str(A))
    assert (shown.phase, shown.penalty_points) == ("overtime", 20)


def test_a_clock_that_counts_up_has_no_time_left():
    began, state = list(stories("count_up"))[1]
    assert clock.participant_clock(as_seen(state, began), began, str(A)) == Clock(None)
