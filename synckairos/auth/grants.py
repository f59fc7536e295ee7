"""What a session token says: for one life of one session, its bearer has this role."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from synckairos.errors import Unauthenticated


class Role(StrEnum):
    """Who somebody is to a session. Who has several is the first of them."""

    STAFF = "staff"
    OWNER = "owner"
    CONTROLLER = "controller"
    PARTICIPANT = "participant"
    VIEWER = "viewer"


GRANTED = (Role.CONTROLLER, Role.PARTICIPANT, Role.VIEWER)
"""The roles that a session token can give."""


class SessionGrant(Struct, frozen=True):
    """A role in one life of one session."""

    session_id: UUID
    epoch: str
    """Of the session's life: one made anew under the same id is another session."""
    role: Role
    token_id: str
    generation: int = 0
    """How often all tokens of the session had been revoked when this one was given out."""
    participant_id: UUID | None = None
    """Whose seat a participant has."""

    def is_same_access(self, other: SessionGrant | None) -> bool:
        """Whether the other is a fresh token for the same place."""
        return other is not None and self.access == other.access

    @property
    def access(self) -> tuple[UUID, str, Role, UUID | None]:
        """Where, and as what."""
        return self.session_id, self.epoch, self.role, self.participant_id


class _Claims(Struct, frozen=True, omit_defaults=True):
    """How a token writes it."""

    sid: UUID
    epoch: str
    role: Role
    jti: str
    gen: int = 0
    pid: UUID | None = None


def to_claims(grant: SessionGrant) -> dict[str, Any]:
    """The claims that carry a grant."""
    claims = _Claims(grant.session_id, grant.epoch, grant.role, grant.token_id, grant.generation, grant.participant_id)
    written: dict[str, Any] = msgspec.to_builtins(claims)
    return written


def from_claims(claims: dict[str, Any]) -> SessionGrant:
    """The grant of a token that we have signed. Raises Unauthenticated for one that says nothing sensible."""
    try:
        read = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise Unauthenticated from None
    if read.role not in GRANTED or (read.pid is None) == (read.role is Role.PARTICIPANT):
        raise Unauthenticated
    return SessionGrant(read.sid, read.epoch, read.role, read.jti, read.gen, read.pid)
