"""Token endpoints: username and password in, access and refresh tokens out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.serializers import TokenObtainSerializer
from rest_framework_simplejwt.views import TokenViewBase

from sessions.rest import refreshing, schema
from sessions.rest.fields import KnownFieldsOnly, TextField


class Credentials(KnownFieldsOnly, TokenObtainSerializer):
    """A username and its password; what is valid is the pair of tokens."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        super().validate(attrs)
        return refreshing.give(self.user)


class Renewal(KnownFieldsOnly, serializers.Serializer[Any]):
    """A refresh token; what is valid is the next pair."""

    refresh = TextField(write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        return refreshing.rotate(attrs["refresh"])


class Revocation(KnownFieldsOnly, serializers.Serializer[Any]):
    """A refresh token that shall be over."""

    refresh = TextField(write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        refreshing.revoke(attrs["refresh"])
        return {}


class TokenView(TokenViewBase):
    serializer_class = Credentials
    metadata_class = None

    @schema.token("Username and password for an access and a refresh token", "access", "refresh")
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)


class RefreshView(TokenViewBase):
    serializer_class = Renewal
    metadata_class = None

    @schema.token("A refresh token for a new pair; the old one is over", "access", "refresh")
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)


class RevokeView(TokenViewBase):
    serializer_class = Revocation
    metadata_class = None

    @schema.token("End a refresh token")
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        super().post(request, *args, **kwargs)
        return Response(status=204)
