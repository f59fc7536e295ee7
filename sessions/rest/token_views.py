"""Tokens for users with a password: `/v1/token`, `/v1/token/refresh`, `/v1/token/revoke`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from rest_framework.request import Request
from rest_framework.response import Response

from sessions.apidocs import openapi
from sessions.requests.bodies import RefreshTokenRequest, RevokeTokenRequest, TokenRequest
from sessions.rest.base import body_of, idempotency_of
from synckairos.auth import refresh_tokens
from synckairos.auth.principal import SUBJECT_CLAIM, refresh_claims
from synckairos.errors import Unauthenticated
from synckairos.http import client_address
from synckairos.ratelimit import limits
from synckairos.ratelimit.drf import RateLimitedView


class TokenEndpoint(RateLimitedView):
    """Base of the token endpoints, limited by address and by username."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request. Raises RateLimitExceeded, and ServiceUnavailable without the store of the counts."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.consume(limits.login_by_address(client_address.of_request(request)))
            self.consume(self.name_limit(request.data if isinstance(request.data, dict) else {}))
            self.check_query(request)

    def name_limit(self, body: dict[str, Any]) -> limits.Bucket:
        """Return the limit of the username in a body, or None."""
        raise NotImplementedError


class TokenView(TokenEndpoint):
    """Exchange a username and its password for a pair of tokens."""

    def name_limit(self, body: dict[str, Any]) -> limits.Bucket:
        name = body.get("username")
        return limits.login_by_name(name) if isinstance(name, str) else None

    @openapi.token("createToken", "Username and password for an access and a refresh token", TokenRequest)
    def post(self, request: Request) -> Response:
        body = body_of(request, TokenRequest)
        user = authenticate(request._request, username=body.username, password=body.password)  # noqa: SLF001 - as DRF
        if user is None:
            raise Unauthenticated
        return Response(refresh_tokens.issue_pair(user))


class RefreshTokenEndpoint(TokenEndpoint):
    """Base of the endpoints that take a refresh token."""

    def name_limit(self, body: dict[str, Any]) -> limits.Bucket:
        """Return the limit of a valid token's subject. Forged tokens have none: they would use up others' limits."""
        token = body.get("refresh")
        if not isinstance(token, str):
            return None
        try:
            claims = refresh_claims(token)
        except Unauthenticated:
            return None
        return limits.refresh_by_name(claims[SUBJECT_CLAIM])


class RefreshView(RefreshTokenEndpoint):
    """Exchange a refresh token for the next pair of tokens."""

    @openapi.token("refreshToken", "A refresh token for a new pair; the old one is spent", RefreshTokenRequest)
    def post(self, request: Request) -> Response:
        body, given = body_of(request, RefreshTokenRequest), idempotency_of(request)
        return Response(refresh_tokens.rotate(body.refresh, None if given is None else given.key))


class RevokeView(RefreshTokenEndpoint):
    """End a login by one of its refresh tokens."""

    @openapi.token("revokeToken", "End a login: its refresh token, and all that come of it", RevokeTokenRequest)
    def post(self, request: Request) -> Response:
        refresh_tokens.revoke(body_of(request, RevokeTokenRequest).refresh)
        return Response(status=204)
