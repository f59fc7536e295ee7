"""What a client draws between two frames is what the server would say, in every mode."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest

from sessions.presentation import present, to_json
from synckairos.engine import SyncMode, create_session, decide
from synckairos.engine.commands import Create, Pause, Resume, Seat, Start, Switch
from synckairos.engine.decide import observe
from synckairos_client import clock

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


def as_seen(state, now):
    return json.loads(to_json(present(state, now)))


def stories(name):
    """The state after each step of a game, and when the step was."""
    state = session(name)
    yield 0, state
    for now, command in ((1_000, Start()), (4_000, Switch()), (6_000, Pause()), (9_000, Resume()), (10_000, Switch())):
        state = decide(state, command, now).state
        yield now, state


@pytest.mark.parametrize("name", MODES)
def test_every_clock_shows_what_the_server_would_say_at_that_instant(name):
    for began, state in stories(name):
        seen = as_seen(state, began)
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
