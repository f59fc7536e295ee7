"""`POST /v1/ws-tickets`: a token for a ticket, which may stand in an address since it is worth nothing afterwards."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from sessions.presentation import TicketView
from sessions.rest import bodies, schema
from sessions.rest.base import SessionEndpoint, principal_of, values_of
from sessions.services import tickets
from sessions.store.calls import run
from synckairos import context
from synckairos.instants import as_iso


class TicketsView(SessionEndpoint):
    """One-time tickets."""

    @schema.ticket
    def post(self, request: Request) -> Response:
        session_id = values_of(request, bodies.TicketBody)["session_id"]
        context.note(session_id=str(session_id))
        ticket = run(tickets.buy(session_id, principal_of(request)))
        view = TicketView(ticket=ticket.value, session_id=session_id, expires_at=as_iso(ticket.expires_ms))
        return Response({"data": view}, status=201, headers={"Cache-Control": "no-store"})
