"""Who asks, and what they get."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Json
from synckairos.principal import Principal


class Idempotency(Struct, frozen=True):
    """A caller's Idempotency-Key with what it was used for."""

    key: str
    route: str
    fingerprint: bytes
    """Digest of the request, so that the key with another body is noticed."""
    kept_ms: Duration | None = None
    """How long the answer is kept; None for the setting of REST commands."""


class Precondition(Struct, frozen=True):
    """How a session must be for a command to be applied: it exists, at one of these versions (None for any)."""

    versions: frozenset[int] | None


class Caller(Struct, frozen=True):
    """Where a command comes from: whose rights count, and whom the audit names."""

    principal: Principal
    request_id: str
    idempotency: Idempotency | None = None


class Outcome(Struct, frozen=True):
    """A session after a command, at the command's own instant."""

    state: State
    at_ms: Instant
    expired_participant_id: UUID | None = None
    action_applied: Json | None = None
    replayed: bool = False
    """This is the first answer to the same Idempotency-Key; nothing was changed now."""


class Recovery(Struct, frozen=True):
    """A session for a client that comes back; `missed` is complete when `recovered`, else empty."""

    state: State
    now: Instant
    recovered: bool
    missed: tuple[Event, ...]
