"""The clock log of a session: for each turn its instants, the time used, and the time left and the phase afterwards.

It is made from the events alone, also from those of releases before time controls. Exports take from it what a game
record says of a move: `[%clk 0:04:57.3]` is the time left after it, `[%emt 0:00:04.7]` the time used for it (the PGN
supplement of the Chess Programming community).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from synckairos.engine import events as ev
from synckairos.engine.clock import clock_of
from synckairos.engine.controls import MAIN
from synckairos.engine.evolve import evolve
from synckairos.engine.pools import pool_of
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant

SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000


class TurnEnd(StrEnum):
    """The ways in which a turn ends."""

    SWITCH = "switch"
    TIMEOUT = "timeout"
    """Its clock expired, and the next turn began by itself."""
    ASSIGNED = "assigned"
    """An official gave the turn to somebody else; it does not count as finished."""
    SESSION_ENDED = "session_ended"


class Turn(Struct, frozen=True):
    """One turn that has ended."""

    number: int
    """Number of the cycle, from 1."""
    participant_id: UUID | None
    began_ms: Instant
    ended_ms: Instant
    ended_by: TurnEnd
    used_ms: Duration
    """Running time of the turn, without pauses."""
    left_ms: Duration | None
    """Time left on its clock afterwards, with what it has earned; None when nothing drains."""
    earned_ms: Duration
    phase: str
    """The phase of the time control afterwards."""
    periods_left: int
    turns_left: int
    penalty_points: int
    lag_ms: Duration
    """The part of `used_ms` that was not charged, because the network took it."""
    is_undone: bool = False
    """True if the switch that ended it was taken back: the turn went on, and is told again when it ends."""

    @property
    def clk(self) -> str:
        """Return the time left as `h:mm:ss` for `[%clk]`; empty when nothing drains."""
        return "" if self.left_ms is None else clock_text(self.left_ms)

    @property
    def emt(self) -> str:
        """Return the time used as `h:mm:ss` for `[%emt]`."""
        return clock_text(self.used_ms)


def clock_log(events: Iterable[ev.Event]) -> list[Turn]:
    """Return the turns of a whole history, which begins with `session.created`, in the order in which they ended."""
    turns: list[Turn] = []
    state: State | None = None
    began_ms: Instant = 0
    for event in events:
        before, state = state, evolve(state, event)
        if before is None:
            continue
        if isinstance(event, ev.SessionStarted):
            began_ms = event.at_ms
        elif isinstance(event, ev.CycleUndone):
            turns[-1] = replace(turns[-1], is_undone=True)
            began_ms = turns[-1].began_ms
        elif (end := _end_of_turn(before, state, event)) is not None:
            turns.append(_turn(before, state, event, began_ms, end))
            began_ms = event.at_ms
    return turns


def clock_text(duration_ms: Duration) -> str:
    """Return a duration as `h:mm:ss`, with a fraction of a second where there is one: `0:04:57.3`."""
    hours, rest = divmod(duration_ms, HOUR_MS)
    minutes, rest = divmod(rest, MINUTE_MS)
    seconds, fraction_ms = divmod(rest, SECOND_MS)
    fraction = f".{fraction_ms:03}".rstrip("0") if fraction_ms else ""
    return f"{hours}:{minutes:02}:{seconds:02}{fraction}"


def _end_of_turn(before: State, after: State, event: ev.Event) -> TurnEnd | None:
    if isinstance(event, ev.CycleSwitched):
        return TurnEnd.TIMEOUT if event.on_timeout else TurnEnd.SWITCH
    if isinstance(event, ev.CycleAssigned):
        return None if before.started_ms is None else TurnEnd.ASSIGNED
    was_open = before.started_ms is not None and not before.status.is_final
    return TurnEnd.SESSION_ENDED if was_open and after.status.is_final else None


def _turn(before: State, after: State, event: ev.Event, began_ms: Instant, ended_by: TurnEnd) -> Turn:
    active, pool = before.active_participant, pool_of(after)
    left_ms, points = None, 0
    if pool.has_banks and active is not None:
        bank = pool.bank(after, before.active)
        left_ms = None if bank is None else bank.left_ms
        points = 0 if bank is None else pool.control(after, before.active).penalty_points(bank)
    elif (clock := clock_of(before)) is not None:
        left_ms = clock.left_ms(before.stretch_ms(event.at_ms))
    switched = event if isinstance(event, ev.CycleSwitched) else None
    progress = MAIN if active is None else after.participants[before.active].progress or MAIN
    return Turn(
        number=before.cycle.number + 1,
        participant_id=None if active is None else active.participant_id,
        began_ms=began_ms,
        ended_ms=event.at_ms,
        ended_by=ended_by,
        used_ms=before.cycle.elapsed_ms + before.stretch_ms(event.at_ms),
        left_ms=left_ms,
        earned_ms=0 if switched is None else switched.earned_ms,
        phase=progress.phase,
        periods_left=progress.periods,
        turns_left=progress.turns,
        penalty_points=points,
        lag_ms=0 if switched is None or switched.lag is None else switched.lag.granted_ms,
    )
