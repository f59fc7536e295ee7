"""Refresh tokens: each is good once. The database knows which were given out and which are over, by id alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from synckairos.conf import conf
from synckairos.errors import Unauthenticated
from synckairos.principal import REFRESH, SUBJECT_CLAIM, mint, new_claims, refresh_claims


def give(user: Any) -> dict[str, str]:
    """An access and a refresh token for a user. Whether it is staff is decided now, so that no door has to ask."""
    name = user.get_username()
    try:
        access = mint(name, is_staff=user.is_staff)
        claims = new_claims(REFRESH, name)
    except ValueError:
        raise Unauthenticated from None  # a name that only the identity provider may give
    OutstandingToken.objects.create(
        user=user,
        jti=claims["jti"],
        token="",  # who reads the database shall not be able to use it
        created_at=timezone.now(),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
    return {"access": access, "refresh": conf().signing_keys.sign(claims)}


def rotate(token: str) -> dict[str, str]:
    """A new pair for a refresh token, which is over with that. Raises Unauthenticated when it was over before."""
    claims = refresh_claims(token)
    with transaction.atomic():
        user = _user_of(claims)
        _end(claims)
        return give(user)


def revoke(token: str) -> None:
    """End a refresh token before its time. Raises Unauthenticated when there is nothing to end."""
    claims = refresh_claims(token)
    with transaction.atomic():
        _end(claims)


def forget_expired() -> int:
    """Delete what is known of tokens that their own time has ended; gives how many."""
    expired = OutstandingToken.objects.filter(expires_at__lte=timezone.now())
    BlacklistedToken.objects.filter(token__in=expired).delete()
    return expired.delete()[0]


def _user_of(claims: dict[str, Any]) -> AbstractBaseUser:
    """Looks the user up again: who has left gets no token."""
    users = get_user_model().objects.filter(username=claims[SUBJECT_CLAIM], is_active=True)
    user = users.first()
    if user is None:
        raise Unauthenticated
    return user


def _end(claims: dict[str, Any]) -> None:
    """Only one of those who come with the same token at the same time gets past this."""
    given = OutstandingToken.objects.filter(jti=str(claims.get("jti"))).first()
    if given is None:
        raise Unauthenticated
    _, is_first = BlacklistedToken.objects.get_or_create(token=given)
    if not is_first:
        raise Unauthenticated
