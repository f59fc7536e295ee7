"""The checks of one commit: its rows have to say what the canonical form says that its digest covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from audit.verification_faults import UNREADABLE, Broken, Fault
from audit.verification_rows import CommitRow, EventRow, Part, commit_at
from synckairos import commit_chain
from synckairos.auth.principal import SYSTEM
from synckairos.engine.event_data import details, fields_of, rebuild
from synckairos.engine.events import Event
from synckairos.engine.units import Instant
from synckairos.instants import as_datetime, from_datetime

_as_json = msgspec.json.Encoder(order="deterministic").encode


class Committed(Struct, frozen=True):
    """The facts in the canonical form of a commit."""

    events: tuple[Event, ...]
    """Its events, with commitments in place of values about persons."""
    due: int
    late: int


class _Facts(Struct, frozen=True):
    """The facts of a commit as the columns of its row say them."""

    session_id: UUID
    epoch: str
    since_version: int
    version: int
    committed_ms: Instant
    command_id: bytes
    due: int
    late: int
    role: str
    door: str
    request_id: str
    client_key: bytes
    address: bytes
    user_agent: bytes


def read_committed(part: Part, row: CommitRow) -> Committed:
    """Return what was committed, after a comparison with the columns of the commit. Raises Broken."""
    if row.previous is None or row.body is None or row.digest is None:
        raise Broken(row.version, Fault.ALTERED, "a part of its link in the chain was removed")
    body = bytes(row.body)
    if commit_chain.digest(bytes(row.previous), body) != bytes(row.digest):
        raise Broken(row.version, Fault.ALTERED, "the digest is not that of the commit")
    events = commit_chain.events_in(body)
    due, late = commit_chain.places_in(body)
    committed_ms = from_datetime(row.committed_at)
    facts = _Facts(
        session_id=part.session_id,
        epoch=part.epoch,
        since_version=row.since_version,
        version=row.version,
        committed_ms=committed_ms,
        command_id=bytes(row.command_id),
        due=due,
        late=late,
        role=row.role,
        door=row.door,
        request_id=row.request_id,
        client_key=bytes(row.client_key),
        address=bytes(row.address),
        user_agent=bytes(row.user_agent),
    )
    principal = commit_chain.kept_commitment(bytes(row.salts)[: commit_chain.SALT_BYTES], row.principal)
    is_exact = row.committed_at == as_datetime(committed_ms)
    if not is_exact or commit_chain.canonical(facts, principal, events) != body:
        raise _misplaced(part, row, body)
    return Committed(commit_chain.decode_events(events), due, late)


def _misplaced(part: Part, row: CommitRow, body: bytes) -> Broken:
    """Return the fault of a commit whose columns differ from its canonical form."""
    own_version = commit_chain.version_in(body)
    if own_version != row.version:
        other = commit_at(part.session, own_version)
        if other is not None and other.body is not None and commit_chain.version_in(bytes(other.body)) == row.version:
            return Broken(row.version, Fault.REORDERED, f"it stands in the place of version {own_version}")
    return Broken(row.version, Fault.ALTERED, "a column of the commit says something else")


def check_events(part: Part, row: CommitRow, committed: Committed, events: Sequence[EventRow]) -> None:
    """Compare the rows of the events of a commit with what was committed. Raises Broken."""
    if len(events) < len(committed.events):
        there = {event.sequence for event in events}
        missing = next(event.sequence for event in committed.events if event.sequence not in there)
        raise Broken(row.version, Fault.MISSING, f"event {missing} is not there")
    salts = commit_chain.Salts(_salts_of_events(row))
    first_late = len(events) - committed.late
    for place, (event, truth) in enumerate(zip(events, committed.events, strict=True)):
        try:
            is_same = _is_same(event, truth, salts)
        except UNREADABLE:
            raise Broken(row.version, Fault.ALTERED, f"event {event.sequence} cannot be read") from None
        if not is_same:
            raise _event_misplaced(part, row, committed, event)
        if event.commit_version != row.version:
            raise Broken(row.version, Fault.ALTERED, f"event {event.sequence} refers to another commit")
        expected = row.principal if committed.due <= place < first_late else SYSTEM.subject
        if event.principal != expected or event.request_id != row.request_id:
            raise Broken(row.version, Fault.ALTERED, f"event {event.sequence} names another principal or request")
        if event.committed_at != row.committed_at:
            raise Broken(row.version, Fault.ALTERED, f"event {event.sequence} has another instant of its commit")
    if len(row.salts) != commit_chain.SALT_BYTES * (1 + len(salts.used)):
        raise Broken(row.version, Fault.ALTERED, "it has another number of salts")


def _salts_of_events(row: CommitRow) -> Iterator[bytes]:
    salts = bytes(row.salts)
    size = commit_chain.SALT_BYTES
    for start in range(size, len(salts), size):
        yield salts[start : start + size]


def _is_same(row: EventRow, truth: Event, salts: commit_chain.Salts) -> bool:
    """Return true if a row says what was committed."""
    if commit_chain.has_personal_values(truth):
        event = _event_of(row)
        is_same = _plain(commit_chain.sealed(event, salts)) == _plain(truth)
        return is_same and _has_only(row.data, details(event))
    head = (row.sequence, row.version, row.type, row.at)
    if head != (truth.sequence, truth.version, truth.name, as_datetime(truth.at_ms)):
        return False
    if _as_json(row.data) == _as_json(fields_of(truth)):
        return True
    return _has_only(row.data, details(truth)) and _plain(_event_of(row)) == _plain(truth)


def _event_of(row: EventRow) -> Event:
    at_ms = from_datetime(row.at)
    if row.at != as_datetime(at_ms):
        raise ValueError("an instant that is finer than milliseconds")
    return rebuild(row.type, sequence=row.sequence, version=row.version, at_ms=at_ms, data=row.data)


def _plain(event: Event) -> bytes:
    return commit_chain.plain_json([event.name, event.sequence, event.version, event.at_ms, details(event)])


def _has_only(data: Any, full: Any) -> bool:
    """Return true if data have no other fields and values than these; releases before a field was added left it out."""
    if isinstance(data, dict) and isinstance(full, dict):
        return all(key in full and _has_only(value, full[key]) for key, value in data.items())
    if isinstance(data, list) and isinstance(full, list):
        return len(data) == len(full) and all(map(_has_only, data, full))
    return commit_chain.plain_json(data) == commit_chain.plain_json(full)


def _event_misplaced(part: Part, row: CommitRow, committed: Committed, event: EventRow) -> Broken:
    """Return the fault of an event that differs from what was committed: is it what was committed as another one?"""
    others = list(committed.events)
    neighbour = commit_at(part.session, event.commit_version or event.version)
    if neighbour is not None and neighbour.body is not None and neighbour.version != row.version:
        others += commit_chain.decode_events(commit_chain.events_in(bytes(neighbour.body)))
    for other in others:
        if other.sequence != event.sequence and _says(event, other):
            return Broken(row.version, Fault.REORDERED, f"event {event.sequence} was committed as {other.sequence}")
    return Broken(row.version, Fault.ALTERED, f"event {event.sequence} says something else than was committed")


def _says(row: EventRow, other: Event) -> bool:
    """Return true if a row says what an event says, but for its number. Values about persons are not compared."""
    if (row.type, row.at) != (other.name, as_datetime(other.at_ms)):
        return False
    return commit_chain.has_personal_values(other) or _has_only(row.data, details(other))
