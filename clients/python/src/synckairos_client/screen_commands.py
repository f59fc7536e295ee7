"""The commands of a screen: one method for each frame type."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from synckairos_client.frames import State, text_of


class ScreenCommands:
    """All return the data of the answer, and raise ApiError, CommandTimeout, Refused or Ended."""

    async def start(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """Start the session, and return its state."""
        return await self._command("START", timeout_s, expected_version=expected_version)

    async def pause(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """Pause the session, and return its state."""
        return await self._command("PAUSE", timeout_s, expected_version=expected_version)

    async def resume(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """Resume the session, and return its state."""
        return await self._command("RESUME", timeout_s, expected_version=expected_version)

    async def complete(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """End the session as completed, and return its state."""
        return await self._command("COMPLETE", timeout_s, expected_version=expected_version)

    async def cancel(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """End the session as cancelled, and return its state."""
        return await self._command("CANCEL", timeout_s, expected_version=expected_version)

    async def switch(
        self,
        *,
        next_participant_id: str | UUID | None = None,
        current_participant_id: str | UUID | None = None,
        think_ms: int | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Pass the turn to the next participant, and return a SwitchResult. With `current_participant_id` a second call
        is refused. `think_ms` is the time that the user has needed, in a session that compensates lag."""
        return await self._command(
            "SWITCH",
            timeout_s,
            next_participant_id=text_of(next_participant_id),
            current_participant_id=text_of(current_participant_id),
            expected_version=expected_version,
            think_ms=think_ms,
        )

    async def adjust_clock(
        self,
        *,
        adjust_ms: int | None = None,
        set_ms: int | None = None,
        at_least_ms: int | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> State:
        """Adjust the clock that runs, or that will run next, and return the state: add `adjust_ms`, of either sign, or
        leave `set_ms`, or leave no less than `at_least_ms`."""
        return await self._command(
            "ADJUST_CLOCK",
            timeout_s,
            adjust_ms=adjust_ms,
            set_ms=set_ms,
            at_least_ms=at_least_ms,
            reason=reason,
            expected_version=expected_version,
        )

    async def undo(
        self, *, reason: str | None = None, expected_version: int | None = None, timeout_s: float | None = None
    ) -> State:
        """Take back the last switch, and return the state; CONFLICT when something else has happened since."""
        return await self._command("UNDO", timeout_s, reason=reason, expected_version=expected_version)

    async def assign_turn(
        self,
        participant_id: str | UUID,
        *,
        reason: str | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> State:
        """Give the turn to a participant, and return the state. The turn that this interrupts earns nothing."""
        return await self._command(
            "ASSIGN_TURN",
            timeout_s,
            participant_id=str(participant_id),
            reason=reason,
            expected_version=expected_version,
        )

    async def _command(self, kind: str, timeout_s: float | None, **fields: Any) -> dict[str, Any]:
        """Send a frame with the fields that are not None, and return the data of its answer."""
        raise NotImplementedError
