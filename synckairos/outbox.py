"""What the commit script leaves for the audit: one entry for each commit, complete in itself.

The writer is sessions/store, the reader is audit/. Entries are self-contained, so they may be read late, twice, or by
two readers.
"""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from synckairos.engine.events import Event
from synckairos.engine.state import Participant, State
from synckairos.engine.units import Duration, Instant, Status, SyncMode

FIELD = b"e"
"""The one field of a stream entry."""


class Summary(Struct, frozen=True, array_like=True):
    """The session as a whole after the commit."""

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


class Entry(Struct, frozen=True, array_like=True):
    """One commit: who asked, what happened, and what it changed."""

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
    """Those that the commit changed."""
    due: int = 0
    """How many of the events, the first ones, are the timekeeper's, whoever has committed them: their deadlines had
    come before the command."""
    late: int = 0
    """How many of the last ones are, for the same reason: the command has made them due."""


def summarise(state: State) -> Summary:
    """The summary of a state."""
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
    )


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """The stored form."""
    return _encoder.encode(entry)


def decode(data: bytes) -> Entry:
    """An entry from its stored form. Raises msgspec.DecodeError (ValidationError included) for anything else."""
    return _decoder.decode(data)
