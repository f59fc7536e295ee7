"""The clocks of a state at an instant of the server's clock. Plain arithmetic; the module reads no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from synckairos_client.courses import Owner, course_of, instant_ms
from synckairos_client.frames import State

_NUMBERS = ("stage", "turns_left", "periods_left", "reserve_ms", "penalty_points")


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a participant or a group at an instant. Numbers that its time control does not count are 0."""

    remaining_ms: float | None
    """Time left in the phase, at least 0; None when no clock counts down."""
    lead_in_ms: float = 0.0
    """Time until it begins to drain, in a turn that begins with a delay."""
    is_draining: bool = False
    """True while its time becomes less."""
    is_gaining: bool = False
    """True while it gains what another clock loses (hourglass)."""
    phase: str | None = None
    """Phase of the time control, such as `main` or `byo_yomi`; None when the session has no time control."""
    stage: int = 0
    """Number of the stage, from 1, in a control with stages."""
    turns_left: int = 0
    """Turns left in the block (Canadian) or in the stage."""
    periods_left: int = 0
    """Byo-yomi periods left, with the running one."""
    reserve_ms: int = 0
    """Time in the bank that follows the allowance of a turn."""
    penalty_points: int = 0
    """Points lost by overtime up to the instant of the state."""


def elapsed_since_ms(state: State, now_ms: float) -> float:
    """Return the running time since the state was computed; at least 0, since no state is from the future."""
    return max(0.0, now_ms - state["server_time_ms"]) if state["status"] == "running" else 0.0


def remaining_ms(state: State, now_ms: float, participant_id: str | None = None) -> float | None:
    """Return the time left of a participant, or of the running clock (or the one that will run first).

    It is at least 0. None when no clock counts down, as in `count_up` without `max_time_ms`. Raises KeyError for a
    participant that is not in the session.
    """
    course = course_of(state, state if participant_id is None else _participant(state, participant_id))
    return None if course is None else course.left_at_ms(now_ms)


def participant_clock(state: State, now_ms: float, participant_id: str) -> Clock:
    """Return the clock of a participant. Raises KeyError for one that is not in the session."""
    return _clock(state, _participant(state, participant_id), now_ms)


def group_clock(state: State, now_ms: float, group_id: str) -> Clock:
    """Return the clock that the members of a group share. Raises KeyError for a group that is not in the session."""
    return _clock(state, _item(state["groups"], "group_id", group_id), now_ms)


def overtime_ms(state: State, now_ms: float) -> float:
    """Return the time by which the running cycle is beyond the end of its clock."""
    left_ms, ends = state["time_remaining_ms"], state.get("deadline_at")
    if left_ms is None or state["status"] != "running":
        return float(state["overtime_ms"])
    seen_ms = state["server_time_ms"]
    # Without a deadline the clock has ended before, or the server is an older one.
    ends_ms = seen_ms + left_ms if ends is None else instant_ms(ends)
    return float(state["overtime_ms"] + max(0.0, now_ms - max(ends_ms, seen_ms)))


def elapsed_ms(state: State, now_ms: float) -> float:
    """Return the total running time of the session: the value of a `count_up` clock."""
    return float(state["elapsed_ms"] + elapsed_since_ms(state, now_ms))


def _clock(state: State, owner: Owner, now_ms: float) -> Clock:
    phase, numbers = owner.get("phase"), {name: owner.get(name, 0) for name in _NUMBERS}
    course = course_of(state, owner)
    if course is None:
        return Clock(None, phase=phase, **numbers)
    return Clock(
        course.left_at_ms(now_ms),
        course.lead_in_ms(now_ms),
        course.is_draining(now_ms),
        course.is_gaining(now_ms),
        phase,
        **numbers,
    )


def _participant(state: State, participant_id: str) -> Owner:
    return _item(state["participants"], "participant_id", participant_id)


def _item(owners: Iterable[Owner], field: str, wanted: str) -> Owner:
    for owner in owners:
        if owner[field] == wanted:
            return owner
    raise KeyError(wanted)
