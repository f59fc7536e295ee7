"""Refresh tokens: each is valid once, and all that descend from one login are a family, which is revoked as a whole.

The database has one row for each family, under the id of its first token, and no token. The row names the current token
of the family. Any other token was used before, by its owner or by a thief; the two cannot be told apart, so the family
is revoked (RFC 9700, 4.14.2). A change of the user's password revokes all families.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from msgspec import Struct
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from synckairos.auth.principal import REFRESH, SUBJECT_CLAIM, ValidityPeriod, mint, new_claims, refresh_claims
from synckairos.conf import conf
from synckairos.errors import Unauthenticated
from synckairos.keyed_hash import log_name
from synckairos.telemetry import logs

FAMILY_CLAIM = "family"
AUTH_HASH_CLAIM = "auth_hash"
"""Claim with Django's digest of the user's password, keyed with the secret key. It changes with the password."""

log = logs.get_logger(__name__)


class _Rotation(Struct, frozen=True, array_like=True):
    """The last rotation of a family, as its row stores it."""

    spent: str
    """Id of the token that was exchanged for the current one."""
    current: str
    validity: ValidityPeriod
    key: str
    """Digest of the Idempotency-Key of the request; empty without one."""


def issue_pair(user: Any) -> dict[str, str]:
    """Return an access and a refresh token for a user who has logged in. The access token says whether the user is
    staff, so that no request has to look it up."""
    claims = _refresh_claims(user)
    OutstandingToken.objects.create(
        user=user,
        jti=claims["jti"],
        token="",  # readers of the database must not be able to use it
        created_at=timezone.now(),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
    return _sign_pair(user, claims, family=claims["jti"])


def rotate(token: str, key: str | None = None) -> dict[str, str]:
    """Return a new pair for a refresh token, which is valid no more. Raises Unauthenticated for a token that is not
    valid.

    A repetition with the same Idempotency-Key gets the same refresh token again, as long as that is the current one of
    the family. So a client may repeat a request whose answer was lost.
    """
    claims = refresh_claims(token)
    digest = "" if key is None else blake2b(key.encode(), digest_size=16).hexdigest()
    with transaction.atomic():
        family = _lock_family(claims)
        pair = _exchange(family, claims, digest)
        if pair is None:
            _end_reused(family, by=claims)
    if pair is None:
        raise Unauthenticated
    return pair


def revoke(token: str) -> None:
    """Revoke the family of a refresh token. Raises Unauthenticated for a token that is not valid, and for a used one,
    which revokes its family too."""
    claims = refresh_claims(token)
    with transaction.atomic():
        family = _lock_family(claims)
        is_current = claims["jti"] == _current_token_id(family, _last_rotation(family))
        if is_current:
            BlacklistedToken.objects.create(token=family)
        else:
            _end_reused(family, by=claims)
    if not is_current:
        raise Unauthenticated


def delete_expired() -> int:
    """Delete the rows of families whose last token has expired, and return how many."""
    expired = OutstandingToken.objects.filter(expires_at__lte=timezone.now())
    BlacklistedToken.objects.filter(token__in=expired).delete()
    return expired.delete()[0]


def _lock_family(claims: dict[str, Any]) -> OutstandingToken:
    """Return the family of a token, locked until the transaction ends. Raises Unauthenticated for a revoked one."""
    name = claims.get(FAMILY_CLAIM, claims.get("jti"))  # tokens of earlier builds have no family but their own
    if not isinstance(name, str) or not isinstance(claims.get("jti"), str):
        raise Unauthenticated
    family = OutstandingToken.objects.select_for_update().filter(jti=name).first()
    if family is None or BlacklistedToken.objects.filter(token=family).exists():
        raise Unauthenticated
    return family


def _exchange(family: OutstandingToken, claims: dict[str, Any], key: str) -> dict[str, str] | None:
    """Return the next pair for a token of the family, or None for a used token. Raises Unauthenticated when the user
    may have no token."""
    last = _last_rotation(family)
    if claims["jti"] == _current_token_id(family, last):
        user = _user_of(family, claims)
        return _issue_next_pair(family, user, spent=claims["jti"], key=key)
    if last is None or not key or (last.spent, last.key) != (claims["jti"], key):
        return None
    user = _user_of(family, claims)
    issued_s, expires_s = last.validity.issued_s, last.validity.expires_s
    again = {"jti": last.current, "iat": issued_s, "nbf": issued_s, "exp": expires_s}
    return _sign_pair(user, _refresh_claims(user) | again, family=family.jti)


def _issue_next_pair(family: OutstandingToken, user: AbstractBaseUser, *, spent: str, key: str) -> dict[str, str]:
    """Return a new pair of the family, and make it the current one."""
    claims = _refresh_claims(user)
    rotation = _Rotation(spent, claims["jti"], ValidityPeriod(claims["iat"], claims["exp"]), key)
    family.token = msgspec.json.encode(rotation).decode()
    family.expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    family.save(update_fields=["token", "expires_at"])
    return _sign_pair(user, claims, family=family.jti)


def _end_reused(family: OutstandingToken, *, by: dict[str, Any]) -> None:
    """Revoke a family because a used token came again."""
    BlacklistedToken.objects.create(token=family)
    log.warning(
        "spent refresh token came again: its family ends", principal=log_name(by[SUBJECT_CLAIM]), family=family.jti
    )


def _last_rotation(family: OutstandingToken) -> _Rotation | None:
    return msgspec.json.decode(family.token, type=_Rotation) if family.token else None


def _current_token_id(family: OutstandingToken, last: _Rotation | None) -> str:
    """Return the id of the one token of the family that is valid."""
    return family.jti if last is None else last.current


def _user_of(family: OutstandingToken, claims: dict[str, Any]) -> AbstractBaseUser:
    """Return the user as stored now. Raises Unauthenticated for one who is inactive or has another name or password."""
    user = family.user
    if user is None or not user.is_active or user.get_username() != claims[SUBJECT_CLAIM]:
        raise Unauthenticated
    if not _matches_password(claims.get(AUTH_HASH_CLAIM), user):
        raise Unauthenticated
    return user


def _matches_password(digest: Any, user: AbstractBaseUser) -> bool:
    """Return true when the token was issued under the user's present password."""
    if digest is None:
        return True  # tokens of earlier builds have no digest, and are accepted once
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(digest, one) for one in hashes)


def _refresh_claims(user: Any) -> dict[str, Any]:
    """Return the claims of a new refresh token. Raises Unauthenticated for a user whose name no token may have."""
    try:
        claims = new_claims(REFRESH, user.get_username())
    except ValueError:
        raise Unauthenticated from None
    return claims | {AUTH_HASH_CLAIM: user.get_session_auth_hash()}


def _sign_pair(user: Any, claims: dict[str, Any], *, family: str) -> dict[str, str]:
    access = mint(user.get_username(), is_staff=user.is_staff)
    return {"access": access, "refresh": conf().signing_keys.sign(claims | {FAMILY_CLAIM: family})}
