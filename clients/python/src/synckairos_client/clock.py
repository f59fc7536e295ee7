"""The clock of a state at an instant of the server's clock. Plain arithmetic; the module reads no clock.

A state is computed for its `server_time_ms`. While the session runs, a clock that drains has lost exactly the time
since then, in every mode, so no mode needs its own formula. Modes differ only in which clocks drain.
"""

from __future__ import annotations

from typing import Any

from synckairos_client.frames import State

_COMMON_CLOCK = {"global", "count_up"}


def elapsed_since_ms(state: State, now_ms: float) -> float:
    """Return the running time since the state was computed; at least 0, since no state is from the future."""
    return max(0.0, now_ms - state["server_time_ms"]) if state["status"] == "running" else 0.0


def remaining_ms(state: State, now_ms: float, participant_id: str | None = None) -> float | None:
    """Return the time left of a participant, or of the running clock (or the one that will run first).

    It is at least 0. None when no clock counts down, as in `count_up` without `max_time_ms`. Raises KeyError for a
    participant that is not in the session.
    """
    if participant_id is None:
        left_ms, drains = state["time_remaining_ms"], True
    else:
        seat = _seat(state, participant_id)
        left_ms, drains = seat["time_remaining_ms"], _is_running(state, seat)
    if left_ms is None:
        return None
    return max(0.0, left_ms - elapsed_since_ms(state, now_ms)) if drains else float(left_ms)


def overtime_ms(state: State, now_ms: float) -> float:
    """Return the time by which the running cycle is beyond the end of its clock."""
    left_ms = state["time_remaining_ms"]
    if left_ms is None:
        return float(state["overtime_ms"])
    return float(state["overtime_ms"] + max(0.0, elapsed_since_ms(state, now_ms) - left_ms))


def elapsed_ms(state: State, now_ms: float) -> float:
    """Return the total running time of the session: the value of a `count_up` clock."""
    return float(state["elapsed_ms"] + elapsed_since_ms(state, now_ms))


def _seat(state: State, participant_id: str) -> dict[str, Any]:
    for seat in state["participants"]:
        if seat["participant_id"] == participant_id:
            found: dict[str, Any] = seat
            return found
    raise KeyError(participant_id)


def _is_running(state: State, seat: dict[str, Any]) -> bool:
    """Return true if the participant's clock drains while the session runs."""
    mode = state["sync_mode"]
    if mode in _COMMON_CLOCK:
        return True
    if mode == "per_group":
        return state["active_group_id"] is not None and seat.get("group_id") == state["active_group_id"]
    return bool(seat["participant_id"] == state["active_participant_id"])
