"""What a state shows at an instant on the server's clock. Plain arithmetic; nothing here looks at a watch.

A state is worked out for its `server_time_ms`. While the session runs, whatever drains has lost since then exactly
what has passed since then, in every mode; so no mode needs a formula of its own. What differs is whose clock drains.
"""

from __future__ import annotations

from typing import Any

from synckairos_client.frames import State

_COMMON_CLOCK = {"global", "count_up"}


def passed_ms(state: State, now_ms: float) -> float:
    """Running time since the state was worked out; never less than 0, since no state is from the future."""
    return max(0.0, now_ms - state["server_time_ms"]) if state["status"] == "running" else 0.0


def remaining_ms(state: State, now_ms: float, participant_id: str | None = None) -> float | None:
    """Time left: of a participant, or of the running clock (or the one that will run first).

    At least 0. None when nothing counts down, as in `count_up` without `max_time_ms`. Raises KeyError for a
    participant who is not in the session.
    """
    if participant_id is None:
        left_ms, drains = state["time_remaining_ms"], True
    else:
        seat = _seat(state, participant_id)
        left_ms, drains = seat["time_remaining_ms"], _drains(state, seat)
    if left_ms is None:
        return None
    return max(0.0, left_ms - passed_ms(state, now_ms)) if drains else float(left_ms)


def overtime_ms(state: State, now_ms: float) -> float:
    """By how much the running cycle has overrun its clock."""
    left_ms = state["time_remaining_ms"]
    if left_ms is None:
        return float(state["overtime_ms"])
    return float(state["overtime_ms"] + max(0.0, passed_ms(state, now_ms) - left_ms))


def elapsed_ms(state: State, now_ms: float) -> float:
    """How long the session has run in all: what a `count_up` clock shows."""
    return float(state["elapsed_ms"] + passed_ms(state, now_ms))


def _seat(state: State, participant_id: str) -> dict[str, Any]:
    for seat in state["participants"]:
        if seat["participant_id"] == participant_id:
            found: dict[str, Any] = seat
            return found
    raise KeyError(participant_id)


def _drains(state: State, seat: dict[str, Any]) -> bool:
    """Whether this participant's clock runs while the session does."""
    mode = state["sync_mode"]
    if mode in _COMMON_CLOCK:
        return True
    if mode == "per_group":
        return state["active_group_id"] is not None and seat.get("group_id") == state["active_group_id"]
    return bool(seat["participant_id"] == state["active_participant_id"])
