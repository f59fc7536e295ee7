"""Who makes a request: one bearer token, checked without a database."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import lru_cache
from typing import Any

from msgspec import Struct
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from synckairos.errors import Unauthenticated

STAFF_CLAIM = "staff"
SERVICE_CLAIM = "service"
SUBJECT_CLAIM = "sub"
_CACHED_TOKENS = 4096
_LONGEST_TOKEN = 4096


class Principal(Struct, frozen=True):
    """Somebody with a valid token. Looks authenticated to DRF."""

    subject: str
    is_staff: bool
    expires_s: float
    """End of the token's validity, seconds since the Unix epoch."""
    is_service: bool = False
    """A program through which many people play: it has rate limits of its own."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def has_expired(self) -> bool:
        """Whether the token's time is over."""
        return self.expires_s <= time.time()

    @property
    def pk(self) -> str:
        """What libraries that expect a user take as its identity."""
        return self.subject


def authenticate(token: str) -> Principal:
    """The principal of a bearer token. Raises Unauthenticated, without saying why."""
    if len(token) > _LONGEST_TOKEN:
        raise Unauthenticated
    principal = _verified(token)
    if principal.has_expired:
        raise Unauthenticated
    return principal


@lru_cache(maxsize=_CACHED_TOKENS)
def _verified(token: str) -> Principal:
    """Signature, type and claims; the expiry is looked at again on each use."""
    try:
        claims: Any = AccessToken(token)  # type: ignore[arg-type]
    except TokenError:
        raise Unauthenticated from None
    subject = claims.get(SUBJECT_CLAIM)
    if not isinstance(subject, str) or not subject:
        raise Unauthenticated
    is_staff, is_service = claims.get(STAFF_CLAIM) is True, claims.get(SERVICE_CLAIM) is True
    return Principal(subject, is_staff, float(claims["exp"]), is_service)


def bearer_token(header: str | None) -> str | None:
    """The token of an `Authorization` header; None when there is none of the Bearer kind."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def mint(subject: str, *, is_staff: bool, is_service: bool = False, lifetime: timedelta | None = None) -> str:
    """A new access token."""
    token = AccessToken()
    token[SUBJECT_CLAIM] = subject
    if is_staff:
        token[STAFF_CLAIM] = True
    if is_service:
        token[SERVICE_CLAIM] = True
    if lifetime is not None:
        token.set_exp(lifetime=lifetime)
    return str(token)
