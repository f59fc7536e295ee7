"""Random sessions of all modes, each made from a seed: any command at any instant, most of them where they fit."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from random import Random

from synckairos.engine import Refusal, is_idle, next_deadline
from synckairos.engine import commands as cmd
from synckairos.engine.seating import HOURGLASS_OWNERS
from synckairos.engine.state import Access
from synckairos.engine.units import SyncMode, Visibility
from tests.synckairos.engine.conftest import id_of
from tests.synckairos.engine.golden.control_scripts import CONTROLS
from tests.synckairos.engine.golden.record import BASE_MS

SEEDS = range(60)
SEEDS_OF_CONTROLS = range(60)
"""Sessions under time controls, with corrections and lag."""
STEPS = 13
PEOPLE = "ABCD"
BANKS = [0, 1, 1_000, 2_500, 4_000, 10_000, 60_000]
TYPES = ["notify", "skip_cycle", "auto_action", "end_session"]
FITTING = {
    "pending": ["start"] * 6 + ["add", "adjust"],
    "running": ["switch"] * 6 + ["pause"] * 2 + ["adjust"] * 3 + ["add"],
    "paused": ["resume"] * 5 + ["adjust"] * 2 + ["add"],
}
CORRECTED = {
    "pending": ["assign_turn", "adjust_clock"],
    "running": ["undo"] * 3 + ["adjust_clock"] * 3 + ["assign_turn"] + ["switch"] * 3,
    "paused": ["adjust_clock", "assign_turn"],
}
ANYTHING = ["start", "pause", "resume", "switch", "add", "adjust", "assign", "revoke"] * 3
ANYTHING += ["complete", "cancel", "delete", "abandon"]


def all_scripts():
    modes = list(SyncMode)
    plain = {
        f"random {modes[seed % len(modes)]} {seed}": partial(play, seed, modes[seed % len(modes)]) for seed in SEEDS
    }
    modes = [SyncMode.PER_PARTICIPANT, *modes[:3], SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP, *modes[3:]]
    controlled = {
        f"random controls {modes[seed % len(modes)]} {seed}": partial(
            play, seed, modes[seed % len(modes)], has_controls=True
        )
        for seed in SEEDS_OF_CONTROLS
    }
    return plain | controlled


def play(seed, mode, begin, *, has_controls=False):
    chance = Random(f"golden controls {seed}" if has_controls else f"golden {seed}")
    session, at = open_one(chance, mode, begin, has_controls=has_controls), 0
    for _ in range(STEPS):
        at += chance.choice([0, 1, 500, 999, 1_000, 1_500, chance.randrange(6_000)])
        due = next_deadline(session.state)
        if due is not None and chance.random() < 0.25:
            at = max(at, due.at_ms - BASE_MS + chance.choice([-1, 0, 1]))
        with suppress(Refusal):
            step(chance, session, at, has_controls=has_controls)
    return session


def open_one(chance, mode, begin, *, has_controls):
    common = mode in {SyncMode.GLOBAL, SyncMode.COUNT_UP}
    people = chance.sample(PEOPLE, chance.randint(0 if common else 1, 3))
    teams, groups = {}, {}
    if mode is SyncMode.PER_GROUP:
        groups = {team: chance.choice(BANKS) for team in "XY"}
        teams = {person: chance.choice("XY") for person in people}
    banks = {person: groups[teams[person]] if teams else chance.choice(BANKS) for person in people}
    action = chance.choice([None, *TYPES])
    more = controls_of(chance, mode, people, groups) if has_controls else {}
    return begin(
        mode,
        banks,
        indexes={person: 10 + 10 * place for place, person in enumerate(people)},
        teams=teams,
        groups=groups if chance.random() < 0.5 else {},
        opener=chance.choice([None, *people]),
        on_timeout=None if action is None else {"type": action, "penalty": {"points": [-1, None]}},
        warn_at=chance.sample([0, 1, 500, 1_000, 3_000], chance.randint(0, 3)),
        total_time_ms=chance.randint(1_000, 30_000),
        time_per_cycle_ms=chance.randint(1_000, 5_000),
        increment_ms=0 if has_controls or common or mode is SyncMode.PER_CYCLE else chance.choice([0, 700]),
        max_time_ms=chance.choice([None, chance.randint(1_000, 30_000)]),
        auto_advance=chance.random() < 0.5,
        start_at_ms=chance.choice([None, None, BASE_MS + chance.randint(-2_000, 6_000)]),
        access=Access("owner", chance.choice(list(Visibility)), ("pause", "resume") if chance.random() < 0.5 else ()),
        **more,
    )


def controls_of(chance, mode, people, groups):
    """Return the time controls of a session and of some in it, and whether it compensates lag."""
    if mode not in {SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP}:
        return {}
    kinds = [control for control in CONTROLS.values() if not control.others_gain]
    owners = people if mode is SyncMode.PER_PARTICIPANT else list(groups)
    controls = {owner: chance.choice(kinds) for owner in owners if chance.random() < 0.4}
    control = chance.choice([*CONTROLS.values()] if not controls and len(owners) == HOURGLASS_OWNERS else kinds)
    return {"time_control": control, "controls": controls, "lag": chance.random() < 0.4}


def step(chance, session, at, *, has_controls):
    fits = FITTING.get(session.status) if chance.random() < 0.9 else None
    if fits and has_controls:
        fits = fits + CORRECTED[session.status]
    kind = chance.choice(fits or ANYTHING)
    somebody = chance.choice(PEOPLE)
    if has_controls and kind in CONTROLLED:
        CONTROLLED[kind](chance, session, at, somebody)
        return
    match kind:
        case "switch":
            session.switch(at, chance.choice([None, None, somebody]))
        case "add":
            seat = cmd.Seat(id_of(somebody), chance.choice(BANKS), chance.choice([None, 0, 15, 60]), id_of("X"), "u-1")
            session.do(cmd.AddParticipant(seat), at)
        case "adjust":
            wanted = chance.choice([{"to": chance.choice(BANKS)}, {"by": chance.randint(-5_000, 5_000)}])
            session.adjust(at, somebody, reason=chance.choice([None, "late"]), **wanted)
        case "assign":
            session.assign(at, somebody, chance.choice(["", "u-1", "u-2"]))
        case "revoke":
            session.revoke(at, chance.choice([None, "one", "two"]), chance.randint(1, 3_000))
        case "abandon":
            session.look(at)
            if is_idle(session.state):
                session.abandon(at)
        case _:
            getattr(session, kind)(at)


def switch_with_lag(chance, session, at, somebody):
    think, measured = (chance.choice([None, 0, 500, 2_000]), chance.choice([None, 40, 300, 2_000]))
    session.switch(at, chance.choice([None, None, somebody]), think_ms=think, measured_ms=measured)


def adjust_clock(chance, session, at, somebody):
    wanted = chance.choice([{"to": chance.choice(BANKS)}, {"by": chance.randint(-5_000, 5_000)}, {"at_least": 3_000}])
    session.adjust_clock(at, reason=chance.choice([None, "late"]), **wanted)


CONTROLLED = {
    "switch": switch_with_lag,
    "adjust_clock": adjust_clock,
    "assign_turn": lambda _, session, at, somebody: session.assign_turn(at, somebody),
}
