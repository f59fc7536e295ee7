"""The outbox: one entry that the commit script leaves for the audit with each commit.

sessions/store writes, and audit/ reads. Entries are complete in themselves, so that they can be read late, twice, or by
two readers.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import Raw, Struct, inspect

from synckairos.engine.events import Event
from synckairos.engine.state import Group, Participant, State
from synckairos.engine.units import Duration, Instant, Status, SyncMode

FIELD = b"e"
"""The only field of a stream entry."""


class Door(StrEnum):
    """The ways by which a command comes in."""

    REST = "rest"
    SOCKET = "socket"
    TIMEKEEPER = "timekeeper"
    ADMIN = "admin"
    COMMAND = "command"


class Summary(Struct, frozen=True, array_like=True):
    """The whole session after the commit."""

    sync_mode: SyncMode
    status: Status
    active_participant_id: UUID | None
    cycle_number: int
    total_time_ms: Duration
    running_ms: Duration
    created_ms: Instant
    updated_ms: Instant
    started_ms: Instant | None
    completed_ms: Instant | None
    cycle_started_ms: Instant | None = None
    """Start of the running stretch of the cycle; None unless the session is running."""
    groups: tuple[Group, ...] = ()


class Entry(Struct, frozen=True, array_like=True):
    """One commit: its caller, its events, and the changed participants."""

    session_id: UUID
    epoch: str
    since_version: int
    version: int
    committed_ms: Instant
    principal: str
    request_id: str
    command_id: bytes
    events: tuple[Event, ...]
    summary: Summary
    participants: tuple[Participant, ...]
    """Participants that the commit changed."""
    due: int = 0
    """Number of events at the beginning that the timekeeper would have committed: their deadlines came before the
    command."""
    late: int = 0
    """Number of such events at the end: the command made their deadlines due."""
    format: int = 0
    """FORMAT of the release that wrote the entry; 0 of releases before there was one."""
    role: str = ""
    """The role of the principal; empty for the timekeeper."""
    door: str = ""
    """The door through which the command came (`Door`); empty in entries from before doors were told."""
    client_key: bytes = b""
    """Keyed hash of the client's Idempotency-Key or command id."""
    address: bytes = b""
    """Keyed hash of the client's address."""
    user_agent: bytes = b""
    """Keyed hash of the client's user agent."""
    previous: bytes = b""
    """Digest of the commit before this one; empty for the first of a chain."""
    digest: bytes = b""
    """Digest of this commit (synckairos/commit_chain.py); empty in entries from before there was a chain."""
    salts: tuple[bytes, ...] = ()
    """Salt of the principal, then those of the values about persons in the events."""
    sealed_events: bytes | None = None
    """The events with commitments in place of these values; None when they have none."""
    snapshot: bytes | None = None
    """The state after the commit as it is stored (synckairos/stored_state.py); None for most commits."""


def summarise(state: State) -> Summary:
    """Return the summary of a state."""
    active = state.active_participant
    return Summary(
        sync_mode=state.config.sync_mode,
        status=state.status,
        active_participant_id=None if active is None else active.participant_id,
        cycle_number=state.cycle.number,
        total_time_ms=state.config.total_time_ms,
        running_ms=state.running_ms,
        created_ms=state.created_ms,
        updated_ms=state.updated_ms,
        started_ms=state.started_ms,
        completed_ms=state.completed_ms,
        cycle_started_ms=state.cycle.started_ms,
        groups=state.groups,
    )


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """Return the stored form of an entry."""
    return _encoder.encode(entry)


class Newer(Exception):
    """An entry of a newer release, which this release might misread."""


def decode(data: bytes) -> Entry:
    """Return the entry of a stored form.

    Raises Newer for an entry of a newer release, and msgspec.DecodeError (ValidationError included) for anything else.
    """
    try:
        entry = _decoder.decode(data)
    except msgspec.ValidationError as cause:
        if _format_of(data) > FORMAT:
            raise Newer from cause
        raise
    if entry.format > FORMAT:
        raise Newer
    return entry


_raw_parts = msgspec.msgpack.Decoder(tuple[Raw, ...])


def events_of(data: bytes) -> bytes:
    """Return the events of an entry in the form in which they were stored."""
    return bytes(_raw_parts.decode(data)[Entry.__struct_fields__.index("events")])


def _format_of(data: bytes) -> int:
    """Return the format of an unreadable entry; 0 when it has none."""
    parts = msgspec.msgpack.decode(data)
    place = Entry.__struct_fields__.index("format")
    said = parts[place] if isinstance(parts, list) and len(parts) > place else 0
    return said if isinstance(said, int) else 0


def session_of(data: bytes) -> UUID | None:
    """Return the session of an entry, or None when it cannot be read."""
    with suppress(msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return UUID(bytes=bytes(msgspec.msgpack.decode(data)[0]))
    return None


def _vocabulary(kind: inspect.Type, seen: set[type]) -> int:
    """Return the number of fields, event types and enumeration values of a stored form."""
    match kind:
        case inspect.StructType(cls=cls) | inspect.EnumType(cls=cls) if cls in seen:
            return 0
        case inspect.EnumType(cls=cls):
            seen.add(cls)
            return len(cls)
        case inspect.StructType(cls=cls, fields=fields):
            seen.add(cls)
            return len(fields) + sum(_vocabulary(field.type, seen) for field in fields)
        case inspect.UnionType(types=types):
            return sum(_vocabulary(one, seen) for one in types)
        case inspect.VarTupleType(item_type=item) | inspect.Metadata(type=item):
            return 1 + _vocabulary(item, seen)
        case _:
            return 1


FORMAT = _vocabulary(inspect.type_info(Entry), set())
"""Number that grows with the fields and values of an entry. Stored forms only grow (docs/contributing.md), so a larger
number belongs to a newer release."""
