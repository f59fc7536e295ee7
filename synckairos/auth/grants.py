"""Grants of session tokens: a role in one life of one session, and the claims that carry it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

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
        return other is not None and self.access == other.access

    @property
    def access(self) -> tuple[UUID, str, Role, UUID | None]:
        return self.session_id, self.epoch, self.role, self.participant_id


class _Claims(Struct, frozen=True, omit_defaults=True):
    """Claims of a session token that hold its grant."""

    sid: UUID
    epoch: str
    role: Role
    jti: str
    gen: int = 0
    pid: UUID | None = None


def to_claims(grant: SessionGrant) -> dict[str, Any]:
    """Return the claims of a session token with this grant."""
    claims = _Claims(grant.session_id, grant.epoch, grant.role, grant.token_id, grant.generation, grant.participant_id)
    written: dict[str, Any] = msgspec.to_builtins(claims)
    return written


def from_claims(claims: dict[str, Any]) -> SessionGrant:
    """Return the grant in the claims of a token of ours. Raises Unauthenticated when they hold no valid grant."""
    try:
        read = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise Unauthenticated from None
    if read.role not in GRANTED or (read.pid is None) == (read.role is Role.PARTICIPANT):
        raise Unauthenticated
    return SessionGrant(read.sid, read.epoch, read.role, read.jti, read.gen, read.pid)
