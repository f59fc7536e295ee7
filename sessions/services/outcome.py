"""The caller of a service, and the outcome of its commands and reads."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from sessions.entity_tags import entity_tag
from sessions.presentation import present, present_switch
from sessions.schemas import StateView, SwitchView
from synckairos.auth.principal import Principal
from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Json
from synckairos.outbox import Door

MAX_KEY_LENGTH = 255
"""The most characters of an Idempotency-Key."""


class Idempotency(Struct, frozen=True):
    """A caller's Idempotency-Key with the request that it was used for."""

    key: str
    route: str
    fingerprint: bytes
    """Digest of the request, which differs for the same key with another body."""
    kept_ms: Duration | None = None
    """The time for which the answer is kept; None for the setting of REST commands."""

    @classmethod
    def of_request(cls, key: str, method: str, path: str, body: Any) -> Idempotency:
        """Return the key of an HTTP request with a decoded body. Raises ValueError for a malformed key."""
        if not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
            raise ValueError
        # An id in either case is the same session.
        return cls(key, f"{method} {path.lower()}", _digest(body) if body else _OF_NOTHING)


def _digest(body: Any) -> bytes:
    return blake2b(msgspec.json.encode(body, order="deterministic"), digest_size=16).digest()


_OF_NOTHING = _digest({})
"""The digest of an empty body, which most commands have."""


class Device(Struct, frozen=True):
    """The device of a caller, as far as the audit may tell devices apart: by keyed hashes."""

    door: Door
    address: bytes = b""
    """Hash of the address; empty when there is none."""
    user_agent: bytes = b""


class Caller(Struct, frozen=True):
    """The principal whose permissions count and whom the audit names, with the request's id and Idempotency-Key."""

    principal: Principal
    request_id: str
    idempotency: Idempotency | None = None
    device: Device = Device(Door.COMMAND)


class Outcome(Struct, frozen=True):
    """A session after a command, at the command's own instant."""

    state: State
    at_ms: Instant
    expired_participant_id: UUID | None = None
    action_applied: Json | None = None
    replayed: bool = False
    """True for the first answer to the same Idempotency-Key: nothing was changed now."""
    view: StateView | None = None
    """The view of the state at that instant, if it was made already."""
    command_id: bytes = b""
    """The id of the commit that has led to this state; empty when the command has committed nothing."""
    had_listeners: bool = True
    """False when nobody has received the message of that commit."""
    digest: str = ""
    """The digest of a state that was read from the audit."""
    events_read: int = 0
    """The number of events from which that was made."""

    @property
    def tag(self) -> str:
        """Return the entity tag of the state as it is shown."""
        return entity_tag(self.state.epoch, self.state.version, self.digest)

    @property
    def shown(self) -> StateView:
        """Return the session as clients see it."""
        return self.view or present(self.state, self.at_ms)

    @property
    def switched(self) -> SwitchView:
        """Return the answer to a switch."""
        return present_switch(self.state, self.at_ms, self.view, self.expired_participant_id, self.action_applied)


class Recovery(Struct, frozen=True):
    """A session for a reconnected client; `missed` is complete when `recovered`, else empty."""

    state: State
    now: Instant
    recovered: bool
    missed: tuple[Event, ...]
