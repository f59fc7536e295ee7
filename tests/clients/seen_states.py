"""States as clients get them, from this server and from older ones."""

from __future__ import annotations

import json
from typing import Any

from sessions.presentation import present, to_json
from synckairos.engine import State

NEW_TO_OLDER_SERVERS = {"drains_from", "time_control", "lag_compensation"}
NEW_IN_CLOCKS = {"drains_from", "deadline_at", "gains_from"}


def as_seen(state: State, now: int) -> dict[str, Any]:
    """The state as this server tells it."""
    seen: dict[str, Any] = json.loads(to_json(present(state, now)))
    return seen


def as_seen_from_an_older_server(state: State, now: int) -> dict[str, Any]:
    """The state without what servers told before there were time controls: what each clock does."""
    seen = as_seen(state, now)
    return {
        **_without(seen, NEW_TO_OLDER_SERVERS),
        "participants": [_without(seat, NEW_IN_CLOCKS) for seat in seen["participants"]],
        "groups": [_without(group, {*NEW_IN_CLOCKS, "time_remaining_ms"}) for group in seen["groups"]],
    }


def _without(fields: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
