"""Sessions of every mode and status, for tests of corrections."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.talk import at, created, done, game, seat

MINUTE = 60_000
DAY = 86_400_000
TEAM = str(uuid4())
MODES: dict[str, dict[str, Any]] = {
    "per_participant": {},
    "per_group": {"participants": [seat(group_id=TEAM), seat(group_id=str(uuid4()))]},
    "per_cycle": {"time_per_cycle_ms": MINUTE},
    "global": {"total_time_ms": MINUTE},
    "count_up": {"max_time_ms": MINUTE},
}
STEPS = {
    "pending": (),
    "running": ("start",),
    "paused": ("start", "pause"),
    "completed": ("start", "complete"),
    "cancelled": ("cancel",),
}


def play(api, steps, **options):
    """The state of a new session after these commands."""
    state = created(api, game(**options))
    for step in steps:
        done(api.post(at(state, step)))
    return done(api.get(at(state)))


def in_mode(api, mode, status):
    """A session of this mode, with a minute on its clock, in this status."""
    return play(api, STEPS[status], sync_mode=mode, **MODES[mode])


def adjusted(api, state, **body):
    """The state after an adjustment of the clock."""
    return done(api.patch(at(state, "clock"), json=body))


def seats_of(state):
    return [p["participant_id"] for p in state["participants"]]
