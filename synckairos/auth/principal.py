"""Principals and their tokens: bearer tokens are verified without a database, and issued here."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import uuid4

import jwt
from msgspec import Struct

from synckairos.auth.grants import SessionGrant, from_claims, to_claims
from synckairos.auth.identity_provider import ProviderKeys, key_fetcher
from synckairos.auth.names import NAME_RULE, SESSION_TOKEN_PREFIX, TIMEKEEPER_NAME, is_name, is_well_formed
from synckairos.auth.signing_keys import KeyRing, VerifyingKey
from synckairos.conf import IdentityProvider, conf
from synckairos.errors import Unauthenticated

STAFF_CLAIM = "staff"
SERVICE_CLAIM = "service"
SUBJECT_CLAIM = "sub"
KIND_CLAIM = "token_type"
ACCESS, REFRESH, SESSION = "access", "refresh", "session"
AUDIENCE = "synckairos"
MAX_TOKEN_LENGTH = 8192
"""Characters of the longest token, at every entry point."""
LIFETIMES = {ACCESS: timedelta(hours=12), REFRESH: timedelta(days=14), SESSION: timedelta(hours=12)}

_CACHED_TOKENS = 4096
_MAX_TIMESTAMP_S = 10**11
_LEEWAY_S = 5.0
"""Seconds by which the clock of another host that issued a token may be ahead."""


class Principal(Struct, frozen=True):
    """The bearer of a valid token. DRF treats it as an authenticated user."""

    subject: str
    is_staff: bool
    expires_s: float
    """End of the token's validity, in seconds since the Unix epoch."""
    is_service: bool = False
    """True for a program that acts for many people. It has rate limits of its own."""
    grant: SessionGrant | None = None
    """The grant of a session token, which is valid for that session only; None for other tokens."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def has_expired(self) -> bool:
        """True when the token has expired."""
        return self.expires_s <= time.time()

    @property
    def pk(self) -> str:
        """The subject, for libraries that expect the primary key of a user."""
        return self.subject

    def is_same_access(self, other: Principal) -> bool:
        """Return true when the other principal has fresh credentials for the same person or grant."""
        if self.grant is not None:
            return self.grant.is_same_access(other.grant)
        return other.grant is None and self.subject == other.subject


SYSTEM = Principal(TIMEKEEPER_NAME, is_staff=True, expires_s=float("inf"))
"""The principal that applies deadlines and reads all sessions."""


def authenticate(token: str) -> Principal:
    """Return the principal of a bearer token. Raises Unauthenticated, without a reason."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise Unauthenticated
    settings = conf()
    provider_keys = None if settings.provider is None else key_fetcher(settings.provider).keys
    principal, starts_s = _verify(token, settings.signing_keys, settings.issuer, settings.provider, provider_keys)
    _check_validity(starts_s, principal.expires_s)
    return principal


@lru_cache(maxsize=_CACHED_TOKENS)
def _verify(
    token: str, own_keys: KeyRing, issuer: str, provider: IdentityProvider | None, provider_keys: ProviderKeys | None
) -> tuple[Principal, float]:
    """Return the principal and the start of the validity, after a check of signature and claims. They are cached for
    the same keys; the times are checked again on each use."""
    kid = _kid_of(token)
    key = own_keys.find(kid)
    if key is not None:
        claims = _signed_claims(token, key, issuer, AUDIENCE)
        principal = _own_principal(claims, provider)
    elif provider is not None and provider_keys is not None:
        their_key = provider_keys.find(kid)
        if their_key is None:
            key_fetcher(provider).request_refresh()
            raise Unauthenticated
        claims = _signed_claims(token, their_key, provider.issuer, provider.audience)
        principal = _provider_principal(claims, provider)
    else:
        raise Unauthenticated
    return principal, _not_before(claims)


def _own_principal(claims: dict[str, Any], provider: IdentityProvider | None) -> Principal:
    if claims.get(KIND_CLAIM) == SESSION:
        return _session_token_principal(claims)
    subject = _subject(claims)
    if claims.get(KIND_CLAIM) != ACCESS:
        raise Unauthenticated
    if provider is not None and subject.startswith(provider.subject_prefix):
        raise Unauthenticated
    is_staff, is_service = claims.get(STAFF_CLAIM) is True, claims.get(SERVICE_CLAIM) is True
    return Principal(subject, is_staff, _timestamp(claims["exp"]), is_service)


def _session_token_principal(claims: dict[str, Any]) -> Principal:
    """Return the principal of a session token, which is the token itself and no person."""
    grant = from_claims(claims)
    subject = f"{SESSION_TOKEN_PREFIX}{grant.token_id}"
    if claims[SUBJECT_CLAIM] != subject or not is_well_formed(subject):
        raise Unauthenticated
    return Principal(subject, is_staff=False, expires_s=_timestamp(claims["exp"]), grant=grant)


def _provider_principal(claims: dict[str, Any], provider: IdentityProvider) -> Principal:
    """Return a person of the identity provider. The prefix keeps its name different from every other one."""
    is_staff = provider.staff_claim is not None and claims.get(provider.staff_claim) is True
    return Principal(_subject(claims, provider.subject_prefix), is_staff, _timestamp(claims["exp"]))


def _kid_of(token: str) -> str:
    """Return the id of the key that a token claims to be signed with."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Unauthenticated from None
    if not isinstance(kid, str):
        raise Unauthenticated
    return kid


def _signed_claims(token: str, key: VerifyingKey, issuer: str, audience: str) -> dict[str, Any]:
    """Return the claims of a token that this key has signed for this service. Their times are not checked here."""
    try:
        return jwt.decode(
            token,
            key.public,
            algorithms=[key.algorithm],
            issuer=issuer,
            audience=audience,
            options={
                "require": ["exp", "sub", "iss", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Unauthenticated from None


def _subject(claims: dict[str, Any], prefix: str = "") -> str:
    """Return the name in these claims. Raises Unauthenticated when it is not a name."""
    subject = claims[SUBJECT_CLAIM]
    if not is_well_formed(subject) or not is_name(name := f"{prefix}{subject}"):
        raise Unauthenticated
    return name


def _timestamp(claim: Any) -> float:
    """Return a time in seconds since the Unix epoch. Raises Unauthenticated for a claim that is no such time."""
    if not isinstance(claim, int | float) or isinstance(claim, bool) or not 0 <= claim < _MAX_TIMESTAMP_S:
        raise Unauthenticated
    return float(claim)


def _not_before(claims: dict[str, Any]) -> float:
    return _timestamp(claims["nbf"]) if "nbf" in claims else 0.0


def _check_validity(starts_s: float, expires_s: float) -> None:
    """Raise Unauthenticated outside of the validity. The leeway is for clocks that differ, at the start only."""
    now = time.time()
    if not starts_s - _LEEWAY_S <= now < expires_s:
        raise Unauthenticated


def refresh_claims(token: str) -> dict[str, Any]:
    """Return the claims of a valid refresh token of this service; only the database knows whether it was used before.

    Raises Unauthenticated.
    """
    settings = conf()
    key = None if len(token) > MAX_TOKEN_LENGTH else settings.signing_keys.find(_kid_of(token))
    if key is None:
        raise Unauthenticated
    claims = _signed_claims(token, key, settings.issuer, AUDIENCE)
    if claims.get(KIND_CLAIM) != REFRESH:
        raise Unauthenticated
    _subject(claims)
    _check_validity(_not_before(claims), _timestamp(claims["exp"]))
    return claims


def bearer_token(header: str | None) -> str | None:
    """Return the token of an `Authorization` header, or None for another scheme or no header."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def new_claims(kind: str, subject: str, lifetime: timedelta | None = None) -> dict[str, Any]:
    """Return the claims of a new token of a person. Raises ValueError for a subject that tokens may not have."""
    provider = conf().provider
    if not is_name(subject):
        raise ValueError(f"A subject has {NAME_RULE}")
    if provider is not None and subject.startswith(provider.subject_prefix):
        raise ValueError(f"Subjects that begin with {provider.subject_prefix} belong to the identity provider.")
    return _registered_claims(kind, subject, validity_from_now(kind, lifetime)) | {"jti": uuid4().hex}


class ValidityPeriod(Struct, frozen=True, array_like=True):
    """The validity of a token, in seconds since the Unix epoch."""

    issued_s: int
    expires_s: int


def validity_from_now(kind: str, lifetime: timedelta | None = None) -> ValidityPeriod:
    """Return the validity of a token that is issued now."""
    now = time.time()
    return ValidityPeriod(int(now), int(now + (lifetime or LIFETIMES[kind]).total_seconds()))


def _registered_claims(kind: str, subject: str, validity: ValidityPeriod) -> dict[str, Any]:
    return {
        KIND_CLAIM: kind,
        "iss": conf().issuer,
        "aud": AUDIENCE,
        SUBJECT_CLAIM: subject,
        "iat": validity.issued_s,
        "nbf": validity.issued_s,
        "exp": validity.expires_s,
    }


def mint(subject: str, *, is_staff: bool, is_service: bool = False, lifetime: timedelta | None = None) -> str:
    """Return a new access token."""
    claims = new_claims(ACCESS, subject, lifetime)
    if is_staff:
        claims[STAFF_CLAIM] = True
    if is_service:
        claims[SERVICE_CLAIM] = True
    return conf().signing_keys.sign(claims)


def mint_session_token(grant: SessionGrant, validity: ValidityPeriod) -> str:
    """Return a session token. Equal arguments give an equal token, if the algorithm signs deterministically."""
    return conf().signing_keys.sign(
        _registered_claims(SESSION, f"{SESSION_TOKEN_PREFIX}{grant.token_id}", validity) | to_claims(grant)
    )
