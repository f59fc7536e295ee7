"""Driving the service against the real store, on a clock that the test moves."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID, uuid4

from msgspec.structs import replace

from sessions.services import sessions as service
from sessions.services.outcome import Caller, Outcome
from sessions.store.store import LoadedMany, Snapshot
from sessions.store.writes import LostRace
from synckairos.auth.principal import Principal
from synckairos.engine.commands import Command, Create, Seat, Start
from synckairos.engine.state import Access
from synckairos.engine.units import SyncMode
from synckairos.redis.procedures import Procedure, perform, run_blocking
from synckairos.redis.scripts import Call

T = TypeVar("T")

ALICE = Caller(principal=Principal("alice", is_staff=True, expires_s=2**40), request_id="test")


class Clock:
    """Takes the place of the store's clock in every reply; the store itself is the real one."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self.now_ms = now_ms

    def run(self, steps: Procedure[T]) -> T:
        """Drive a procedure at this clock's instant."""

        def clocked() -> Procedure[T]:
            reply: Any = None
            while True:
                try:
                    call: Call[Any] = steps.send(reply)
                except StopIteration as end:
                    result: T = end.value
                    return result
                reply = self._at_our_time((yield from perform(call)))

        return run_blocking(clocked())

    def _at_our_time(self, reply: Any) -> Any:
        match reply:
            case Snapshot() | LoadedMany():
                return replace(reply, now=self.now_ms)
            case LostRace(snapshot=snapshot):
                return LostRace(replace(snapshot, now=self.now_ms))
            case _:
                return replace(reply, now=self.now_ms) if hasattr(reply, "now") else reply

    def create(self, **options: Any) -> UUID:
        """A pending session of two players with a minute each, unless told otherwise."""
        seats = tuple(Seat(uuid4(), options.pop("bank_ms", 60_000)) for _ in range(options.pop("players", 2)))
        asked = {"sync_mode": SyncMode.PER_PARTICIPANT, "participants": seats, "access": Access("alice"), **options}
        command = Create.of(**asked)
        return self.run(service.create(command, None, ALICE)).state.session_id

    def start(self, **options: Any) -> UUID:
        """A running session."""
        session_id = self.create(**options)
        self.do(session_id, Start())
        return session_id

    def do(self, session_id: UUID, command: Command) -> Outcome:
        """Apply a command."""
        return self.run(service.execute(session_id, command, ALICE))
