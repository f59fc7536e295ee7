"""Token endpoints: username and password in, access and refresh tokens out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from synckairos.principal import STAFF_CLAIM


class TokenPair(TokenObtainPairSerializer):
    """Says in the token whether the user is staff, so that no door has to ask the database."""

    @classmethod
    def get_token(cls, user: Any) -> Token:
        token = super().get_token(user)
        if user.is_staff:
            token[STAFF_CLAIM] = True
        return token


@extend_schema(tags=["tokens"], summary="Username and password for an access and a refresh token", auth=[])
class TokenView(TokenObtainPairView):
    serializer_class = TokenPair


@extend_schema(tags=["tokens"], summary="A refresh token for a new access token", auth=[])
class RefreshView(TokenRefreshView):
    """Answers with a new access token."""
