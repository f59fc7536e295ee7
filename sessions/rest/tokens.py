"""Tokens for people with a password: `/v1/token`, `/v1/token/refresh`, `/v1/token/revoke`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.serializers import TokenObtainSerializer
from rest_framework_simplejwt.views import TokenViewBase

from sessions.apidocs import openapi
from sessions.rest.base import idempotency_of
from sessions.rest.fields import KnownFieldsOnly, TextField
from synckairos.auth import refresh_tokens
from synckairos.auth.principal import SUBJECT_CLAIM, refresh_claims
from synckairos.errors import Unauthenticated
from synckairos.http import client_address
from synckairos.ratelimit import limits
from synckairos.ratelimit.drf import RateLimitedView


@extend_schema_serializer(component_name="Token")
class Credentials(KnownFieldsOnly, TokenObtainSerializer):
    """A username and its password, as they are; what is valid is the pair of tokens."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (self.username_field, "password"):  # the library's would be trimmed
            self.fields[name] = TextField(write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        super().validate(attrs)
        return refresh_tokens.issue_pair(self.user)


@extend_schema_serializer(component_name="RefreshToken")
class Renewal(KnownFieldsOnly, serializers.Serializer[Any]):
    """A refresh token; what is valid is the next pair."""

    refresh = TextField(write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        given = idempotency_of(self.context["request"])
        return refresh_tokens.rotate(attrs["refresh"], None if given is None else given.key)


@extend_schema_serializer(component_name="RevokeToken")
class Revocation(KnownFieldsOnly, serializers.Serializer[Any]):
    """A refresh token of the login that shall be over."""

    refresh = TextField(write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        refresh_tokens.revoke(attrs["refresh"])
        return {}


class TokenDoor(RateLimitedView, TokenViewBase):
    """Limited by address, and by the name that the request is about."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises RateLimitExceeded; ServiceUnavailable when the store is away, for then nobody counts guesses."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.consume(limits.login_by_address(client_address.of_request(request)))
            self.consume(self.named(request.data if isinstance(request.data, dict) else {}))
            self.check_query(request)

    def named(self, body: dict[str, Any]) -> limits.Bucket:
        """The limit of the name in a body, if there is one."""
        raise NotImplementedError


class TokenView(TokenDoor):
    serializer_class = Credentials

    def named(self, body: dict[str, Any]) -> limits.Bucket:
        name = body.get("username")
        return limits.login_by_name(name) if isinstance(name, str) else None

    @openapi.token("createToken", "Username and password for an access and a refresh token", gives_pair=True)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)


class RefreshDoor(TokenDoor):
    """A door that takes a refresh token."""

    def named(self, body: dict[str, Any]) -> limits.Bucket:
        """By good tokens only: with a forged one, anybody could use up the limit of anybody."""
        token = body.get("refresh")
        if not isinstance(token, str):
            return None
        try:
            claims = refresh_claims(token)
        except Unauthenticated:
            return None
        return limits.refresh_by_name(claims[SUBJECT_CLAIM])


class RefreshView(RefreshDoor):
    serializer_class = Renewal

    @openapi.token("refreshToken", "A refresh token for a new pair; the old one is spent", gives_pair=True, once=True)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)


class RevokeView(RefreshDoor):
    serializer_class = Revocation

    @openapi.token("revokeToken", "End a login: its refresh token, and all that come of it", gives_pair=False)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        super().post(request, *args, **kwargs)
        return Response(status=204)
