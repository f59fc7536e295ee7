"""Credentials for one session: tokens with a role in it, and one-time tickets, which may stand in an address."""

from __future__ import annotations

from functools import partial

from rest_framework.request import Request
from rest_framework.response import Response

from sessions.apidocs import openapi
from sessions.requests.bodies import EmptyRequest, SessionTokenRequest, TicketRequest
from sessions.rest.base import SessionEndpoint, body_of, caller_of, principal_of, uuid_of
from sessions.schemas import SessionTokenView, TicketView
from sessions.services import one_time_tickets, session_tokens
from sessions.services import sessions as service
from synckairos import ids
from synckairos.auth.grants import MAX_SESSION_TOKEN_MS
from synckairos.engine import commands
from synckairos.errors import ValidationFailed
from synckairos.instants import as_iso
from synckairos.redis.procedures import run_from_thread
from synckairos.telemetry import log_context


class SessionTokensView(SessionEndpoint):
    """Issue session tokens, or revoke all of them."""

    @openapi.issue_token
    def post(self, request: Request, session_id: str) -> Response:
        body = body_of(request, SessionTokenRequest)
        given = self.read(session_tokens.issue(uuid_of(session_id), caller_of(request), body))
        view = SessionTokenView.of(given.token, given.grant, as_iso(given.expires_ms))
        headers = {"Cache-Control": "no-store"} | ({"Idempotency-Replayed": "true"} if given.replayed else {})
        return Response({"data": view}, status=201, headers=headers)

    @openapi.revoke_tokens
    def delete(self, request: Request, session_id: str) -> Response:
        return _revoke(self, request, session_id, None)


class OneSessionTokenView(SessionEndpoint):
    """Revoke one session token by its id."""

    @openapi.revoke_token
    def delete(self, request: Request, session_id: str, token_id: str) -> Response:
        return _revoke(self, request, session_id, token_id)


def _revoke(view: SessionEndpoint, request: Request, session_id: str, token_id: str | None) -> Response:
    """Revoke one token, or with None all that were issued so far. Revoking one twice changes nothing."""
    parsed = uuid_of(session_id)
    if token_id is not None and not ids.is_token_id(token_id):
        raise ValidationFailed([("token_id", "Must be the id of a session token.")])
    body_of(request, EmptyRequest)
    command = commands.RevokeAccess(MAX_SESSION_TOKEN_MS, token_id)
    view.execute(request, parsed, partial(service.execute, parsed, command))
    return Response(status=204)


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
