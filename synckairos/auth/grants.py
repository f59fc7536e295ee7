"""Grants of session tokens: a role in one life of one session, and the claims that carry it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from synckairos.errors import Unauthenticated


class Role(StrEnum):
    """Roles of a principal in a session. A principal with several roles has the first of them."""

    STAFF = "staff"
    OWNER = "owner"
    CONTROLLER = "controller"
    PARTICIPANT = "participant"
    VIEWER = "viewer"


GRANTED = (Role.CONTROLLER, Role.PARTICIPANT, Role.VIEWER)
"""Roles that a session token can give."""
MAX_SESSION_TOKEN_MS = 7 * 86_400_000
"""Longest lifetime of a session token, in milliseconds."""


class SessionGrant(Struct, frozen=True):
    """A role in one life of one session."""

    session_id: UUID
    epoch: str
    """Epoch of the session. A session that is created again under the same id has another one."""
    role: Role
    token_id: str
    generation: int = 0
    """Number of times that all tokens of the session had been revoked when this one was issued."""
    participant_id: UUID | None = None
    """The participant of a token with the role `participant`; None for other roles."""

    def is_same_access(self, other: SessionGrant | None) -> bool:
        """Return true when the other grant gives the same role, so that its token can replace this one."""
        return other is not None and self == replace(other, token_id=self.token_id, generation=self.generation)


_CLAIM_NAMES = {
    "session_id": "sid",
    "epoch": "epoch",
    "role": "role",
    "token_id": "jti",
    "generation": "gen",
    "participant_id": "pid",
}


def to_claims(grant: SessionGrant) -> dict[str, Any]:
    """Return the claims of a session token with this grant. Default values have no claim."""
    return {_CLAIM_NAMES[field]: value for field, value in msgspec.to_builtins(grant).items() if value}


def from_claims(claims: dict[str, Any]) -> SessionGrant:
    """Return the grant in the claims of a verified token. Raises Unauthenticated when they hold no valid grant."""
    try:
        fields = {field: claims[name] for field, name in _CLAIM_NAMES.items() if name in claims}
        grant = msgspec.convert(fields, SessionGrant)
    except msgspec.ValidationError:
        raise Unauthenticated from None
    if grant.role not in GRANTED or (grant.participant_id is None) == (grant.role is Role.PARTICIPANT):
        raise Unauthenticated
    return grant
