"""Commands that wait for their answers, over as many connections as that takes."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from synckairos_client.frames import Frame


class Call:
    """One command. Its frame is always the same, so that the server knows a repeat when it sees one."""

    def __init__(self, frame: Frame, *, is_repeatable: bool) -> None:
        self.id = str(uuid4())
        self.frame: Frame = {**frame, "id": self.id}
        self.is_repeatable = is_repeatable
        self.answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self.sent_on: object | None = None
        """The connection that it was last sent on."""

    def expect_again(self) -> None:
        """The answer was that there is none yet."""
        self.answer = asyncio.get_running_loop().create_future()
        self.sent_on = None


class Calls:
    """All of one screen, oldest first."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def add(self, frame: Frame, *, is_repeatable: bool = True) -> Call:
        """A new command under an id of its own."""
        call = Call(frame, is_repeatable=is_repeatable)
        self._calls[call.id] = call
        return call

    def remove(self, call: Call) -> None:
        """Nobody waits for it any more."""
        self._calls.pop(call.id, None)
        call.answer.cancel()

    def answered(self, frame: Frame) -> None:
        """An `ACK` or `ERROR`; one that nobody waits for is ignored."""
        call = self._calls.get(str(frame["id"]))
        if call is not None and not call.answer.done():
            call.answer.set_result(frame)

    def to_repeat(self) -> list[Call]:
        """What to send again on a new connection."""
        return [call for call in self._calls.values() if call.is_repeatable and not call.answer.done()]

    def fail(self, error: Exception) -> None:
        """There will be no answers."""
        for call in self._calls.values():
            if not call.answer.done():
                call.answer.set_exception(error)
                call.answer.exception()  # whoever stopped waiting just now need not hear of it
