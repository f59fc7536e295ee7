"""`/v1/sessions/{id}/tokens`: the owner issues session tokens for roles in a session, and revokes them."""

from __future__ import annotations

from functools import partial

from rest_framework.request import Request
from rest_framework.response import Response

from sessions.apidocs import openapi
from sessions.presentation import SessionTokenView
from sessions.requests.bodies import EmptyRequest, SessionTokenRequest
from sessions.rest.base import SessionEndpoint, body_of, caller_of, uuid_of
from sessions.services import session_tokens
from synckairos import ids
from synckairos.errors import ValidationFailed
from synckairos.instants import as_iso


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
        parsed = uuid_of(session_id)
        body_of(request, EmptyRequest)
        self.execute(request, parsed, partial(session_tokens.revoke, parsed, None))
        return Response(status=204)


class OneSessionTokenView(SessionEndpoint):
    """Revoke one session token by its id."""

    @openapi.revoke_token
    def delete(self, request: Request, session_id: str, token_id: str) -> Response:
        parsed = uuid_of(session_id)
        if not ids.is_token_id(token_id):
            raise ValidationFailed([("token_id", "Must be the id of a session token.")])
        body_of(request, EmptyRequest)
        self.execute(request, parsed, partial(session_tokens.revoke, parsed, token_id))
        return Response(status=204)
