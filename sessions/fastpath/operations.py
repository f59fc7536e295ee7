"""What can be asked for at the hot door, and how the service does it."""

from __future__ import annotations

from contextvars import Context
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from sessions import weights
from sessions.presentation import StateView, SwitchView
from sessions.services import sessions as service
from sessions.services.command_queue import drive_in_turn, steps_of
from sessions.services.outcome import Caller, Idempotency, Outcome
from synckairos.auth.principal import Principal
from synckairos.engine import commands
from synckairos.ratelimit import limits
from synckairos.redis.procedures import Completion, Procedure, in_parallel, run_on_loop

ROUTE = "/v1/sessions"
_ROUTES = {
    verb: f"{ROUTE}/<str:session_id>/{verb}" for verb in ("switch", "start", "pause", "resume", "complete", "cancel")
}
"""As metrics and logs have them."""


class Asker(Struct, frozen=True):
    """Who asks, and from where."""

    principal: Principal
    origin: str | None
    """Of the page that asks."""
    request_id: str | None
    """By which the asker wants to know it."""
    idempotency: Idempotency | None = None

    def caller(self, request_id: str) -> Caller:
        """The same, as the service has it."""
        return Caller(self.principal, request_id, self.idempotency)


class State(Struct, frozen=True):
    """A session as it stands."""

    asker: Asker
    session_id: UUID

    status = 200
    route = f"{ROUTE}/<str:session_id>"

    def steps(self, _request_id: str, limiter: limits.RateLimiter) -> Procedure[Outcome]:
        """Read it."""
        general = limits.general(self.asker.principal)
        outcome = yield from in_parallel(
            limiter.consume_procedure(general), service.get(self.session_id, self.asker.principal)
        )
        if weight := weights.of_state(outcome.state):
            yield from limiter.charge_procedure(general, weight)
        return outcome

    def drive(self, steps: Procedure[Outcome], waiter: Completion[Outcome], context: Context) -> None:
        """At once."""
        run_on_loop(steps, waiter, context)

    def view(self, outcome: Outcome) -> StateView:
        """The session."""
        return outcome.shown


class Command(Struct, frozen=True):
    """Something to be done with a session."""

    asker: Asker
    session_id: UUID
    verb: str
    command: commands.Command

    status = 200

    @property
    def route(self) -> str:
        """Its address, as metrics and logs have it."""
        return _ROUTES[self.verb]

    def steps(self, request_id: str, limiter: limits.RateLimiter) -> Procedure[Outcome]:
        """Do it."""
        return steps_of(self.session_id, self.command, self.asker.caller(request_id), limiter)

    def drive(self, steps: Procedure[Outcome], waiter: Completion[Outcome], context: Context) -> None:
        """In its turn."""
        drive_in_turn(self.session_id, steps, waiter, context)

    def view(self, outcome: Outcome) -> StateView | SwitchView:
        """The session; of a switch what has become of the turn."""
        return outcome.switched if self.verb == "switch" else outcome.shown


class Creation(Struct, frozen=True):
    """A new session."""

    asker: Asker
    command: commands.Create
    session_id: UUID | None
    """The one that was asked for."""

    status = 201
    route = ROUTE

    def steps(self, request_id: str, limiter: limits.RateLimiter) -> Procedure[Outcome]:
        """Make it, if neither limit says no."""
        weight = 1 + weights.of_creation(self.command.participants, self.command.groups)
        yield from limiter.consume_procedure(limits.general(self.asker.principal), weight)
        counted = limiter.consume_procedure(limits.create(self.asker.principal))
        creation = service.create(self.command, self.session_id, self.asker.caller(request_id))
        return (yield from in_parallel(counted, creation))

    def drive(self, steps: Procedure[Outcome], waiter: Completion[Outcome], context: Context) -> None:
        """At once."""
        run_on_loop(steps, waiter, context)

    def view(self, outcome: Outcome) -> StateView:
        """The session."""
        return outcome.shown


Asked: TypeAlias = State | Command | Creation
