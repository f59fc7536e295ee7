"""`POST /v1/ws-tickets`: a one-time ticket, which may stand in an address because it is valid once only."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from sessions.apidocs import openapi
from sessions.presentation import TicketView
from sessions.requests.bodies import TicketRequest
from sessions.rest.base import SessionEndpoint, body_of, principal_of
from sessions.services import one_time_tickets
from synckairos.instants import as_iso
from synckairos.redis.procedures import run_from_thread
from synckairos.telemetry import log_context


class TicketsView(SessionEndpoint):
    """Issue one-time tickets for sockets and event streams."""

    @openapi.ticket
    def post(self, request: Request) -> Response:
        session_id = body_of(request, TicketRequest).session_id
        log_context.bind(session_id=str(session_id))
        self.count()  # before a ticket is written
        ticket = run_from_thread(one_time_tickets.issue(session_id, principal_of(request)))
        view = TicketView(ticket=ticket.value, session_id=session_id, expires_at=as_iso(ticket.expires_ms))
        return Response({"data": view}, status=201, headers={"Cache-Control": "no-store"})
