"""The operations of the fast path, and how each uses the session service."""

from __future__ import annotations

from contextvars import Context
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from sessions import weights
from sessions.preconditions import Precondition
from sessions.presentation import StateView, SwitchView
from sessions.services import sessions as service
from sessions.services.command_queue import submit
from sessions.services.outcome import Caller, Outcome
from sessions.services.state_cache import state_cache
from synckairos.engine import commands
from synckairos.ratelimit import limits
from synckairos.redis.procedures import Completion, Procedure, in_parallel, run_on_loop


class Read(Struct, frozen=True):
    """Read a session."""

    session_id: UUID

    status = 200

    def start(
        self, caller: Caller, limiter: limits.RateLimiter, completion: Completion[Outcome], context: Context
    ) -> None:
        """Start the operation; the completion is called at its end."""
        run_on_loop(_read(self.session_id, caller, limiter), completion, context)

    def view(self, outcome: Outcome) -> StateView:
        """Return the data of the answer: the session."""
        return outcome.shown


def _read(session_id: UUID, caller: Caller, limiter: limits.RateLimiter) -> Procedure[Outcome]:
    general = limits.general(caller.principal)
    outcome = yield from in_parallel(limiter.consume_procedure(general), service.get(session_id, caller.principal))
    if weight := weights.of_state(outcome.state):
        yield from limiter.charge_procedure(general, weight)
    return outcome


class Command(Struct, frozen=True):
    """Apply a command to a session."""

    session_id: UUID
    command: commands.Command
    only_if: Precondition | None = None

    status = 200

    def start(
        self, caller: Caller, limiter: limits.RateLimiter, completion: Completion[Outcome], context: Context
    ) -> None:
        """Start the operation in its turn; the completion is called at its end."""
        procedure = service.execute(
            self.session_id, self.command, caller, self.only_if, limiter=limiter, cache=state_cache()
        )
        submit(self.session_id, procedure, completion, context)

    def view(self, outcome: Outcome) -> StateView | SwitchView:
        """Return the data of the answer: the session; of a switch the turn, too."""
        return outcome.switched if isinstance(self.command, commands.Switch) else outcome.shown


class Creation(Struct, frozen=True):
    """Create a session."""

    command: commands.Create
    wanted_id: UUID | None

    status = 201
    session_id = None

    def start(
        self, caller: Caller, limiter: limits.RateLimiter, completion: Completion[Outcome], context: Context
    ) -> None:
        """Start the operation; the completion is called at its end."""
        run_on_loop(_create(self, caller, limiter), completion, context)

    def view(self, outcome: Outcome) -> StateView:
        """Return the data of the answer: the session."""
        return outcome.shown


def _create(creation: Creation, caller: Caller, limiter: limits.RateLimiter) -> Procedure[Outcome]:
    command = creation.command
    weight = 1 + weights.of_creation(command.participants, command.groups)
    yield from limiter.consume_procedure(limits.general(caller.principal), weight)
    counting = limiter.consume_procedure(limits.create(caller.principal))
    return (yield from in_parallel(counting, service.create(command, creation.wanted_id, caller)))


Operation: TypeAlias = Read | Command | Creation
