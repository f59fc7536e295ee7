"""Token endpoints: username and password in, access and refresh tokens out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from sessions import limits
from sessions.rest import schema
from sessions.rest.fields import KnownFieldsOnly
from sessions.rest.limited import Limited
from synckairos.errors import Unauthenticated
from synckairos.http import addresses
from synckairos.principal import STAFF_CLAIM, SUBJECT_CLAIM


class TokenPair(KnownFieldsOnly, TokenObtainPairSerializer):
    """Says in the token whether the user is staff, so that no door has to ask the database."""

    @classmethod
    def get_token(cls, user: Any) -> Token:
        token = super().get_token(user)
        if user.is_staff:
            token[STAFF_CLAIM] = True
        return token


class TokenRenewal(KnownFieldsOnly, TokenRefreshSerializer):
    """Looks the user up again: who has left gets no token, and who is staff is decided now."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        """`{"access": …}`. Raises TokenError for a bad refresh token, Unauthenticated for a user who is gone."""
        claims = self.token_class(attrs["refresh"])
        users = get_user_model().objects.filter(username=claims.get(SUBJECT_CLAIM), is_active=True)
        user = users.first()
        if user is None:
            raise Unauthenticated
        access = AccessToken.for_user(user)
        if user.is_staff:
            access[STAFF_CLAIM] = True
        return {"access": str(access)}


class TokenDoor(Limited):
    """Limited by address, and by the name that the request is about."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises RateLimitExceeded; ServiceUnavailable when the store is away, for then nobody counts guesses."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.take(limits.login_from(addresses.of_request(request)))
            self.take(self.named(request.data if isinstance(request.data, dict) else {}))

    def named(self, body: dict[str, Any]) -> limits.Claim:
        """The limit of the name in a body, if there is one."""
        raise NotImplementedError


class TokenView(TokenDoor, TokenObtainPairView):
    serializer_class = TokenPair
    metadata_class = None

    def named(self, body: dict[str, Any]) -> limits.Claim:
        name = body.get("username")
        # A number is taken for its digits, by the serializer too.
        return limits.login_as(str(name)) if isinstance(name, str | int | float) else None

    @schema.token("Username and password for an access and a refresh token", "access", "refresh")
    def post(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().post(request, *args, **kwargs)


class RefreshView(TokenDoor, TokenRefreshView):
    serializer_class = TokenRenewal
    metadata_class = None

    def named(self, body: dict[str, Any]) -> limits.Claim:
        """By good tokens only: with a forged one, anybody could use up the limit of anybody."""
        token = body.get("refresh")
        if not isinstance(token, str):
            return None
        try:
            name = RefreshToken(token).get(SUBJECT_CLAIM)  # type: ignore[arg-type]
        except TokenError:
            return None
        return limits.refresh_as(name) if isinstance(name, str) else None

    @schema.token("A refresh token for a new access token", "access")
    def post(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().post(request, *args, **kwargs)
