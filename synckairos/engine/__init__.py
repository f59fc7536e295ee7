"""The clock as plain arithmetic: `decide(state, command, now)` returns a new state and the events that led to it.

The package reads no clock and does no I/O, and nothing in it ticks. See docs/clock.md.
"""

from synckairos.engine.abandonment import abandon, is_idle, round_ms, runs_by_itself
from synckairos.engine.create import create_session, problems
from synckairos.engine.deadlines import next_deadline
from synckairos.engine.decide import MAX_PARTICIPANTS, Decision, decide, observe
from synckairos.engine.evolve import evolve, replay
from synckairos.engine.reading import Reading, read, seats_left_ms
from synckairos.engine.refusals import Refusal
from synckairos.engine.restoration import restore
from synckairos.engine.state import State
from synckairos.engine.units import MAX_TIME_MS, OutagePolicy, Status, SyncMode, TimeoutAction

__all__ = [
    "MAX_PARTICIPANTS",
    "MAX_TIME_MS",
    "Decision",
    "OutagePolicy",
    "Reading",
    "Refusal",
    "State",
    "Status",
    "SyncMode",
    "TimeoutAction",
    "abandon",
    "create_session",
    "decide",
    "evolve",
    "is_idle",
    "next_deadline",
    "observe",
    "problems",
    "read",
    "replay",
    "restore",
    "round_ms",
    "runs_by_itself",
    "seats_left_ms",
]
