"""What can be asked for at the hot door, and how the service does it."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from sessions import limits
from sessions.presentation import StateView, SwitchView
from sessions.realtime.turns import carry_out
from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency, Outcome
from sessions.store.calls import arun, beside
from synckairos.engine import commands
from synckairos.principal import Principal

ROUTE = "/v1/sessions"


class Asker(Struct, frozen=True):
    """Who asks, and from where."""

    principal: Principal
    origin: str | None
    """Of the page that asks."""
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

    async def served(self, _request_id: str, tally: limits.Tally) -> Outcome:
        """Read it."""
        counted = tally.counted(limits.general(self.asker.principal))
        return await arun(beside(counted, service.get(self.session_id, self.asker.principal)))

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
        return f"{ROUTE}/<str:session_id>/{self.verb}"

    async def served(self, request_id: str, tally: limits.Tally) -> Outcome:
        """Carry it out in its turn."""
        return await carry_out(self.session_id, self.command, self.asker.caller(request_id), tally)

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

    async def served(self, request_id: str, tally: limits.Tally) -> Outcome:
        """Make it, if neither limit says no."""
        await tally.atake(limits.general(self.asker.principal))
        counted = tally.counted(limits.create(self.asker.principal))
        return await arun(beside(counted, service.create(self.command, self.session_id, self.asker.caller(request_id))))

    def view(self, outcome: Outcome) -> StateView:
        """The session."""
        return outcome.shown


Asked: TypeAlias = State | Command | Creation
