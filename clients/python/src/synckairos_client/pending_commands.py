"""Commands that wait for their answers, across as many connections as that takes."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from synckairos_client.frames import Frame


class PendingCommand:
    """One command. Its frame never changes, so that the server recognises a repetition."""

    def __init__(self, frame: Frame, *, is_repeatable: bool) -> None:
        self.id = str(uuid4())
        self.frame: Frame = {**frame, "id": self.id}
        self.is_repeatable = is_repeatable
        self.answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self.sent_on: object | None = None
        """The connection on which it was last sent."""

    def reset(self) -> None:
        """Wait for another answer, since the last one was temporary."""
        self.answer = asyncio.get_running_loop().create_future()
        self.sent_on = None


class PendingCommands:
    """The commands of one screen, the oldest first."""

    def __init__(self) -> None:
        self._calls: dict[str, PendingCommand] = {}

    def add(self, frame: Frame, *, is_repeatable: bool = True) -> PendingCommand:
        """Add a command with a new id, and return it."""
        call = PendingCommand(frame, is_repeatable=is_repeatable)
        self._calls[call.id] = call
        return call

    def remove(self, call: PendingCommand) -> None:
        """Remove a command whose caller does not wait any more."""
        self._calls.pop(call.id, None)
        call.answer.cancel()

    def resolve(self, frame: Frame) -> None:
        """Set the answer of a command from an `ACK` or `ERROR`; an unknown id is ignored."""
        call = self._calls.get(str(frame["id"]))
        if call is not None and not call.answer.done():
            call.answer.set_result(frame)

    def unanswered(self) -> list[PendingCommand]:
        """Return the commands that have to be sent again on a new connection."""
        return [call for call in self._calls.values() if call.is_repeatable and not call.answer.done()]

    def fail(self, error: Exception) -> None:
        """Fail all commands that have no answer."""
        for call in self._calls.values():
            if not call.answer.done():
                call.answer.set_exception(error)
                call.answer.exception()  # marks it as seen: the caller may have stopped waiting
