"""The chain of the commits of one session: each carries a digest over the one before it and over its own facts.

The facts are encoded once, in a canonical form of integers, lengths and the events as they were stored. Values about
persons stand in it as commitments, salted digests: a value and its salt can be erased, and the chain stays true
(docs/consistency.md).
"""

from __future__ import annotations

import os
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from struct import Struct as Layout
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from synckairos.engine import events as ev
from synckairos.engine.events import Event
from synckairos.engine.units import Instant

DIGEST_BYTES = 32
SALT_BYTES = 16
ERASED = b"\0" * SALT_BYTES
"""The salt of a value that was erased: the commitment stands in its place."""
COMMITMENT = "sha256:"
"""The beginning of a commitment as text; 43 characters of base64url follow."""
_MAGIC = b"SKC1"
_BEGUN = sha256(b"synckairos commit\0")
"""The beginning of each digest; a copy costs less than a new one."""
_TEXTS = 10
"""Number of the texts in a canonical form, the events included, which come last."""
_HEAD = Layout(f">4s16sQQQHH{_TEXTS}I")
"""Magic, session id, versions, instant, numbers of due and of late events, and the lengths of the texts that follow."""

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_events = msgspec.msgpack.Decoder(tuple[Event, ...])
_json = msgspec.json.Encoder(order="deterministic")
_LARGEST_WHOLE = 2.0**64
"""Floats beyond it stay floats: no integer in a stored form is as large."""


class Facts(Protocol):
    """The facts of one commit that the chain covers besides its principal and its events."""

    @property
    def session_id(self) -> UUID: ...
    @property
    def epoch(self) -> str: ...
    @property
    def since_version(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def committed_ms(self) -> Instant: ...
    @property
    def command_id(self) -> bytes: ...
    @property
    def due(self) -> int: ...
    @property
    def late(self) -> int: ...
    @property
    def role(self) -> str: ...
    @property
    def door(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def client_key(self) -> bytes: ...
    @property
    def address(self) -> bytes: ...
    @property
    def user_agent(self) -> bytes: ...


def encode_events(events: tuple[Event, ...]) -> bytes:
    """Return the stored form of events, which the store, the outbox and the chain share."""
    return _encoder.encode(events)


def decode_events(data: bytes) -> tuple[Event, ...]:
    """Return the events of a stored form. Raises msgspec.DecodeError."""
    return _events.decode(data)


def canonical(facts: Facts, principal: bytes, events: bytes) -> bytes:
    """Return the canonical form of a commit. `principal` is the commitment to its name, and `events` hold no value
    about a person (`sealed`). Raises ValueError for a number that is negative or too large for its place."""
    epoch, role, door, request_id = (
        facts.epoch.encode(),
        facts.role.encode(),
        facts.door.encode(),
        facts.request_id.encode(),
    )
    command_id, client_key, address, user_agent = (
        facts.command_id,
        facts.client_key,
        facts.address,
        facts.user_agent,
    )
    try:
        head = _HEAD.pack(
            _MAGIC,
            facts.session_id.bytes,
            facts.since_version,
            facts.version,
            facts.committed_ms,
            facts.due,
            facts.late,
            len(epoch),
            len(command_id),
            len(principal),
            len(role),
            len(door),
            len(request_id),
            len(client_key),
            len(address),
            len(user_agent),
            len(events),
        )
    except struct.error as error:
        raise ValueError("a number is out of its range") from error
    return b"".join(
        (head, epoch, command_id, principal, role, door, request_id, client_key, address, user_agent, events)
    )


def events_in(body: bytes) -> bytes:
    """Return the events of a canonical form. Raises ValueError for other bytes."""
    lengths = _head_of(body)[-_TEXTS:]
    if len(body) != _HEAD.size + sum(lengths):
        raise ValueError("no canonical commit")
    return body[len(body) - lengths[-1] :]


def version_in(body: bytes) -> int:
    """Return the version that a canonical form reaches. Raises ValueError for other bytes."""
    return int(_head_of(body)[3])


def places_in(body: bytes) -> tuple[int, int]:
    """Return how many of the events, from the first and up to the last, deadlines have caused. Raises ValueError."""
    due, late = _head_of(body)[5:7]
    return due, late


def _head_of(body: bytes) -> tuple[Any, ...]:
    if len(body) < _HEAD.size or not body.startswith(_MAGIC):
        raise ValueError("no canonical commit")
    return _HEAD.unpack_from(body)


def digest(previous: bytes, body: bytes) -> bytes:
    """Return the digest of a commit with this canonical form after another one; `previous` is empty for the first."""
    hashing = _BEGUN.copy()
    hashing.update(previous + body)
    return hashing.digest()


def commitment(salt: bytes, value: Any) -> bytes:
    """Return the commitment to a value about a person."""
    return sha256(salt + plain_json(value)).digest()


def plain_json(value: Any) -> bytes:
    """Return a value as JSON that is the same before and after a database has kept it.

    PostgreSQL keeps numbers as decimals: 1e16 comes back as 10000000000000000, and -0.0 as 0.
    """
    return _json.encode(value if type(value) is str else _with_plain_numbers(value))


def _with_plain_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_plain_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE:
        value = int(Decimal(repr(value)))  # the decimal digits, as the database takes them
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)  # no event holds such an integer, so it was a number with an exponent
    return value


def kept_commitment(salt: bytes, value: str) -> bytes:
    """Return the commitment to a value; of one that was erased, the commitment that stands in its place."""
    if salt != ERASED:
        return commitment(salt, value)
    text = value.removeprefix(COMMITMENT)
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""  # no commitment at all


def commitment_text(salt: bytes, value: Any) -> str:
    """Return the commitment as it stands in an event in place of the value."""
    return COMMITMENT + urlsafe_b64encode(commitment(salt, value)).decode().rstrip("=")


def new_salt() -> bytes:
    """Return a random salt."""
    return os.urandom(SALT_BYTES)


class Salts:
    """The salts of the values about persons in some events, in the order of the values."""

    def __init__(self, given: Iterator[bytes] | None = None) -> None:
        self._given = given
        self.used: list[bytes] = []

    def commit(self, value: Any) -> Any:
        """Return the commitment to a value, or the value itself if that was erased: then it is a commitment."""
        salt = new_salt() if self._given is None else next(self._given)
        self.used.append(salt)
        if salt == ERASED:
            return value
        text = commitment_text(salt, value)
        return {"commitment": text} if isinstance(value, dict) else text


def has_personal_values(event: Event) -> bool:
    """Return true if an event holds a value about a person."""
    if isinstance(event, ev.CycleSwitched):
        return False
    return isinstance(event, _WITH_PERSONS) or getattr(event, "reason", None) is not None


_WITH_PERSONS = (ev.SessionCreated, ev.ParticipantAdded, ev.ParticipantAssigned)
PERSONAL_TYPES = tuple(
    name
    for name, kind in ev.EVENT_TYPES.items()
    if issubclass(kind, _WITH_PERSONS) or "reason" in kind.__struct_fields__
)
"""Names of the event types that can hold values about persons."""


def sealed(event: Event, salts: Salts) -> Event:
    """Return an event with a commitment in place of each value about a person: user ids, the owner, reasons, metadata.

    The order of the values is that of this function, for ever.
    """
    match event:
        case ev.SessionCreated():
            owner, metadata = event.access.owner, event.config.metadata
            return replace(
                event,
                access=replace(event.access, owner=salts.commit(owner)) if owner else event.access,
                config=event.config if metadata is None else replace(event.config, metadata=salts.commit(metadata)),
                participants=tuple(_sealed_seat(p, salts) for p in event.participants),
            )
        case ev.ParticipantAdded():
            return replace(event, participant=_sealed_seat(event.participant, salts))
        case ev.ParticipantAssigned() if event.user_id:
            event = replace(event, user_id=salts.commit(event.user_id))
    reason = getattr(event, "reason", None)
    return event if reason is None else replace(event, reason=salts.commit(reason))


def _sealed_seat(participant: Any, salts: Salts) -> Any:
    return replace(participant, user_id=salts.commit(participant.user_id)) if participant.user_id else participant
