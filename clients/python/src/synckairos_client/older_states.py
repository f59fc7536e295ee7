"""The clocks in states of older servers, which do not tell what drains: a table of modes in its place."""

from __future__ import annotations

from typing import Any

from synckairos_client.frames import State

_COMMON_CLOCK = {"global", "count_up"}
_GROUPS_CLOCK = "per_group"


def time_remaining_ms(state: State, owner: dict[str, Any]) -> float | None:
    """Return the time left of an owner at the instant of the state; a group has that of its members."""
    if "time_remaining_ms" not in owner:
        members = [seat for seat in state["participants"] if seat.get("group_id") == owner["group_id"]]
        if not members or state["sync_mode"] != _GROUPS_CLOCK:
            return float(owner["total_time_ms"])
        owner = members[0]
    left_ms: float | None = owner["time_remaining_ms"]
    return left_ms


def is_draining(state: State, owner: dict[str, Any]) -> bool:
    """Return true if the clock of an owner drains: of a participant, a group, or the state (the running clock)."""
    if state["status"] != "running":
        return False
    if "participants" in owner:
        return True
    mode = state["sync_mode"]
    if mode == _GROUPS_CLOCK:
        return state["active_group_id"] is not None and owner.get("group_id") == state["active_group_id"]
    if "participant_id" not in owner:
        return False
    return mode in _COMMON_CLOCK or owner["participant_id"] == state["active_participant_id"]
