"""The operations of the fast path: each has the procedure of the session service that it runs."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from sessions import weights
from sessions.preconditions import Precondition
from sessions.schemas import StateView, SwitchView
from sessions.services import archive
from sessions.services import sessions as service
from sessions.services.audit_queries import run_query_async
from sessions.services.outcome import Caller, Outcome
from sessions.services.state_cache import state_cache
from synckairos import background
from synckairos.engine import commands
from synckairos.errors import SessionNotFound
from synckairos.ratelimit import limits
from synckairos.redis.procedures import Completion, Procedure, complete, in_parallel, run_async


class Read(Struct, frozen=True):
    """The read of one session."""

    session_id: UUID

    status = 200

    def procedure(self, caller: Caller, limiter: limits.RateLimiter) -> Procedure[Outcome]:
        """Read the session, and count the request."""
        general = limits.general(caller.principal)
        reading = service.get(self.session_id, caller.principal)
        outcome = yield from in_parallel(limiter.consume_procedure(general), reading)
        if weight := weights.of_state(outcome.state):
            yield from limiter.charge_procedure(general, weight)
        return outcome

    def view(self, outcome: Outcome) -> StateView:
        """Return the data of the answer: the session."""
        return outcome.shown


class OrFromAudit:
    """The completion of a read: a session that the store does not have is read from the audit, off the event loop."""

    __slots__ = ("_caller", "_completion", "_limiter", "_read")

    def __init__(
        self, read: Read, caller: Caller, limiter: limits.RateLimiter, completion: Completion[Outcome]
    ) -> None:
        self._read = read
        self._caller = caller
        self._limiter = limiter
        self._completion = completion

    def done(self, outcome: Outcome) -> None:
        """Pass on what the store has."""
        self._completion.done(outcome)

    def failed(self, error: Exception) -> None:
        """Ask the audit for a session that the store does not have, and pass on other errors."""
        if isinstance(error, SessionNotFound):
            background.start(complete(self._from_audit(), self._completion), "archived session")
        else:
            self._completion.failed(error)

    async def _from_audit(self) -> Outcome:
        session_id, reader = self._read.session_id, self._caller.principal
        missing = await run_async(archive.check_absent(session_id, reader))
        outcome = await run_query_async(partial(archive.read_archived, session_id, reader, missing))
        if weight := weights.of_state(outcome.state) + weights.of_events(outcome.events_read):
            await run_async(self._limiter.charge_procedure(limits.general(reader), weight))
        return outcome


class Command(Struct, frozen=True):
    """A command of one session."""

    session_id: UUID
    command: commands.Command
    only_if: Precondition | None = None

    status = 200

    def procedure(self, caller: Caller, limiter: limits.RateLimiter) -> Procedure[Outcome]:
        """Apply the command, and count it. It runs in the queue of its session."""
        cache = state_cache()
        return service.execute(self.session_id, self.command, caller, self.only_if, limiter=limiter, cache=cache)

    def view(self, outcome: Outcome) -> StateView | SwitchView:
        """Return the data of the answer: the session; of a switch the turn, too."""
        return outcome.switched if isinstance(self.command, commands.Switch) else outcome.shown


class Creation(Struct, frozen=True):
    """The creation of a session."""

    command: commands.Create
    wanted_id: UUID | None

    status = 201
    session_id = None

    def procedure(self, caller: Caller, limiter: limits.RateLimiter) -> Procedure[Outcome]:
        """Create the session, and count the request for both limits."""
        weight = 1 + weights.of_creation(self.command.participants, self.command.groups)
        yield from limiter.consume_procedure(limits.general(caller.principal), weight)
        counting = limiter.consume_procedure(limits.create(caller.principal))
        return (yield from in_parallel(counting, service.create(self.command, self.wanted_id, caller)))

    def view(self, outcome: Outcome) -> StateView:
        """Return the data of the answer: the session."""
        return outcome.shown


Operation: TypeAlias = Read | Command | Creation
