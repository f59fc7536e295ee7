"""The conversion of an outbox entry to values of rows, with checks: every database accepts what passes here.

The check comes first, since an insert that ignores conflicts hides other violations too (SQLite), and one bad value
would fail a whole batch.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

from audit.labels import labels_of
from audit.models import SyncCommit, SyncEvent, SyncParticipant, SyncSession
from audit.row_limits import RowValues, Unfit, check, limits_of
from synckairos import commit_chain, outbox
from synckairos.auth.principal import SYSTEM
from synckairos.conf import conf
from synckairos.engine.event_data import details, fields_of
from synckairos.engine.events import Event, SessionCreated, SessionDeleted, SessionRestored
from synckairos.engine.state import Group, Participant
from synckairos.engine.units import Instant
from synckairos.instants import as_datetime

SessionKey: TypeAlias = tuple[UUID, str]
"""Session id and epoch, which identify a session row."""

SESSION_FIELDS = (
    *("session_id", "epoch", "version", "sync_mode", "status", "cycle_number", "total_time_ms", "running_ms"),
    *("active_participant_id", "created_at", "updated_at", "started_at", "completed_at", "cycle_started_at", "groups"),
)
"""Fields of a session in every commit."""
ORIGIN_FIELDS = ("created_by", "owner", "visibility")
"""Fields of a session that its creation sets."""

COMMIT_FIELDS = (
    *("since_version", "version", "command_id", "committed_at", "principal", "role", "door", "request_id"),
    *("client_key", "address", "user_agent", "previous", "digest", "body", "salts"),
)
EVENT_FIELDS = (
    *("sequence", "version", "type", "at", "committed_at", "data", "principal", "request_id", "commit_version"),
)
SNAPSHOT_FIELDS = ("version", "sequence", "at", "state")
PARTICIPANT_FIELDS = (
    *("participant_id", "participant_index", "group_id", "user_id", "total_time_ms", "time_used_ms", "cycle_count"),
    *("has_expired", "version", "created_at"),
)

_own_values = attrgetter(*PARTICIPANT_FIELDS[:-2])  # the version is that of the commit
_NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SCALARS = frozenset({int, str, bool, type(None), UUID})
"""Types of values that JSON has one form for; others go through `json`, which refuses NaN."""
_as_json = json.JSONEncoder(allow_nan=False).encode
_datetime_of = lru_cache(4096)(as_datetime)  # one batch has few different instants


UNREADABLE = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""Errors of `read_commit` for an entry that can never be written."""


class Origin(Struct, frozen=True):
    """The facts of a session that its creation sets."""

    created_by: str
    owner: str
    visibility: str
    labels: tuple[tuple[str, str], ...]
    """Keys and values of the metadata by which sessions are listed."""


class Commit(Struct, frozen=True):
    """One entry as values of rows, without the foreign keys."""

    entry_id: str
    key: SessionKey
    version: int
    session: RowValues
    commit: RowValues
    origin: Origin | None
    """The facts of the creation; None if the entry has none."""
    deleted_at: Any
    parent_epoch: str
    """The epoch that a restored session continues; empty if the entry restores none."""
    snapshot: RowValues | None
    """The state after the commit; None for most commits."""
    events: list[RowValues]
    participants: list[RowValues]

    @property
    def row_count(self) -> int:
        """Return the number of rows that it writes."""
        return 2 + len(self.events) + len(self.participants)


_LIMITS = {
    model: limits_of(model, names)
    for model, names in (
        (SyncSession, SESSION_FIELDS),
        (SyncCommit, COMMIT_FIELDS),
        (SyncEvent, ("sequence", "version", "commit_version")),  # its texts are those of its commit
        (SyncParticipant, PARTICIPANT_FIELDS),
    )
}


def read_commit(entry_id: str, data: bytes) -> Commit:
    """Return the rows of a stream entry. Raises one of UNREADABLE, and outbox.Newer for an entry of a newer release."""
    entry = outbox.decode(data)
    origin, deleted_ms, parent_epoch = _NO_FACTS if _WITH_FACTS.isdisjoint(map(type, entry.events)) else _facts(entry)
    commit = Commit(
        entry_id=entry_id,
        key=(entry.session_id, entry.epoch),
        version=entry.version,
        session=_session(entry),
        commit=_commit(entry, data),
        origin=origin,
        deleted_at=_optional_datetime(deleted_ms),
        parent_epoch=parent_epoch,
        snapshot=_snapshot(entry),
        events=_events(entry),
        participants=[_participant(entry, participant) for participant in entry.participants],
    )
    check(_LIMITS[SyncSession], commit.session)
    check(_LIMITS[SyncCommit], commit.commit)
    for values in commit.events:
        check(_LIMITS[SyncEvent], values)
    for values in commit.participants:
        check(_LIMITS[SyncParticipant], values)
    return commit


_WITH_FACTS = frozenset({SessionCreated, SessionDeleted, SessionRestored})
_NO_FACTS = (None, None, "")


def _facts(entry: outbox.Entry) -> tuple[Origin | None, Instant | None, str]:
    """Return the facts of the creation, the instant of the deletion, and the epoch that is continued."""
    origin, deleted_ms, parent_epoch = _NO_FACTS
    for event in entry.events:
        if isinstance(event, SessionCreated):
            labels = labels_of(event.config.metadata) if conf().metadata_index else ()
            origin = Origin(entry.principal, event.access.owner, event.access.visibility.value, labels)
        elif isinstance(event, SessionDeleted):
            deleted_ms = event.at_ms
        elif isinstance(event, SessionRestored):
            parent_epoch = event.parent_epoch
    return origin, deleted_ms, parent_epoch


def _session(entry: outbox.Entry) -> RowValues:
    summary = entry.summary
    return {
        "session_id": entry.session_id,
        "epoch": entry.epoch,
        "version": entry.version,
        "sync_mode": summary.sync_mode.value,
        "status": summary.status.value,
        "cycle_number": summary.cycle_number,
        "total_time_ms": summary.total_time_ms,
        "running_ms": summary.running_ms,
        "active_participant_id": summary.active_participant_id,
        "created_at": _datetime_of(summary.created_ms),
        "updated_at": _datetime_of(summary.updated_ms),
        "started_at": _optional_datetime(summary.started_ms),
        "completed_at": _optional_datetime(summary.completed_ms),
        "cycle_started_at": _optional_datetime(summary.cycle_started_ms),
        "groups": json.dumps([*map(_group, summary.groups)]) if summary.groups else None,
    }


def _group(group: Group) -> RowValues:
    return {
        "group_id": str(group.group_id),
        "total_time_ms": group.total_time_ms,
        "has_expired": group.has_expired,
    }


def _commit(entry: outbox.Entry, data: bytes) -> RowValues:
    is_chained = bool(entry.digest)
    return {
        "since_version": entry.since_version,
        "version": entry.version,
        "command_id": entry.command_id,
        "committed_at": _datetime_of(entry.committed_ms),
        "principal": entry.principal,
        "role": entry.role,
        "door": entry.door,
        "request_id": entry.request_id,
        "client_key": entry.client_key,
        "address": entry.address,
        "user_agent": entry.user_agent,
        "previous": entry.previous if is_chained else None,
        "digest": entry.digest if is_chained else None,
        "body": _body(entry, data) if is_chained else None,
        "salts": b"".join(entry.salts),
    }


_commitment = lru_cache(4096)(commit_chain.commitment)  # a principal has one salt for a session


def _body(entry: outbox.Entry, data: bytes) -> bytes:
    """Return the canonical form of a commit. Raises Unfit when its digest is of another one."""
    events = outbox.events_of(data) if entry.sealed_events is None else entry.sealed_events
    principal = _commitment(entry.salts[0], entry.principal) if entry.salts else b""
    body = commit_chain.canonical(entry, principal, events)
    if commit_chain.digest(entry.previous, body) != entry.digest:
        raise Unfit("the digest is of another commit")
    return body


def _events(entry: outbox.Entry) -> list[RowValues]:
    """Return the events, each with its principal: that of a deadline is the timekeeper, whoever committed it."""
    principal, first_late = entry.principal, len(entry.events) - entry.late
    return [
        _event(entry, event, principal if entry.due <= place < first_late else SYSTEM.subject)
        for place, event in enumerate(entry.events)
    ]


def _event(entry: outbox.Entry, event: Event, principal: str) -> RowValues:
    return {
        "sequence": event.sequence,
        "version": event.version,
        "type": event.name,
        "at": _datetime_of(event.at_ms),
        "committed_at": _datetime_of(entry.committed_ms),
        "data": data_text(event),
        "principal": principal,
        "request_id": entry.request_id,
        "commit_version": entry.version,
    }


def _snapshot(entry: outbox.Entry) -> RowValues | None:
    if entry.snapshot is None:
        return None
    return {
        "version": entry.version,
        "sequence": entry.events[-1].sequence,
        "at": _datetime_of(entry.summary.updated_ms),
        "state": entry.snapshot,
    }


def _participant(entry: outbox.Entry, participant: Participant) -> RowValues:
    created_at = _datetime_of(entry.summary.created_ms)
    return dict(zip(PARTICIPANT_FIELDS, (*_own_values(participant), entry.version, created_at), strict=True))


def _optional_datetime(at_ms: Instant | None) -> Any:
    return None if at_ms is None else _datetime_of(at_ms)


def data_text(event: Event) -> str:
    """Return the fields of an event beyond the common ones as JSON text. Raises what `_json_text` raises."""
    fields = fields_of(event)
    if _SCALARS.issuperset(map(type, fields.values())):
        text = msgspec.json.encode(fields).decode()
        return _without_nul(text)
    return _json_text(details(event))


def _json_text(value: dict[str, Any]) -> str:
    """Raises Unfit for NUL, which PostgreSQL does not store, another ValueError for NaN, and RecursionError."""
    return _without_nul(_as_json(value))


def _without_nul(text: str) -> str:
    if "\\u0000" in text and _NUL_IN_JSON.search(text):
        raise Unfit("an event's data hold NUL")
    return text
