"""A small linearizability checker for one session (Herlihy and Wing, 1990).

Each acknowledged switch names the version it made, so the order is known: it is enough that the versions are all there,
once each, that the order agrees with real time (a call that ended before another began comes first), and that each
answer is what the sequential clock gives at that place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """One acknowledged command as its client saw it; times on one monotonic clock."""

    began_s: float
    ended_s: float
    answer: dict[str, Any]

    @property
    def version(self) -> int:
        """The version that this call made."""
        return int(self.answer["version"])


class NotLinearizable(AssertionError):
    """No order of the calls explains their answers."""


def check_switches(calls: list[Call], first_version: int, rotation: list[str]) -> None:
    """Raise NotLinearizable unless the calls are one sequence of switches after `first_version`.

    `rotation` holds the participants in order, the one who was active at `first_version` first.
    """
    ordered = sorted(calls, key=lambda call: call.version)
    _each_version_once(ordered, first_version)
    _agrees_with_real_time(ordered)
    _answers_are_sequential(ordered, rotation)


def _each_version_once(ordered: list[Call], first_version: int) -> None:
    expected = list(range(first_version + 1, first_version + 1 + len(ordered)))
    found = [call.version for call in ordered]
    if found != expected:
        lost, doubled = set(expected) - set(found), {v for v in found if found.count(v) > 1}
        raise NotLinearizable(f"lost versions {sorted(lost)}, doubled {sorted(doubled)}")


def _agrees_with_real_time(ordered: list[Call]) -> None:
    latest_beginning = float("-inf")
    for call in ordered:
        # Whoever comes later in the order must not have ended before an earlier one began.
        if call.ended_s < latest_beginning:
            raise NotLinearizable(f"version {call.version} ended before an earlier version began")
        latest_beginning = max(latest_beginning, call.began_s)


def _answers_are_sequential(ordered: list[Call], rotation: list[str]) -> None:
    """Each answer continues the one before: whoever leaves has used the time since, nobody else has changed."""
    before: Call | None = None
    for place, call in enumerate(ordered):
        leaving, entering = (rotation[(place + step) % len(rotation)] for step in (0, 1))
        if call.answer["active_participant_id"] != entering:
            raise NotLinearizable(f"version {call.version} activates the wrong participant")
        if before is not None:
            elapsed_ms = call.answer["server_time_ms"] - before.answer["server_time_ms"]
            used, used_before = _used(call), _used(before)
            used_before[leaving] += elapsed_ms
            if elapsed_ms < 0 or used != used_before:
                raise NotLinearizable(f"version {call.version} does not continue the one before it")
        before = call


def _used(call: Call) -> dict[str, int]:
    return {seat["participant_id"]: seat["time_used_ms"] for seat in call.answer["participants"]}
