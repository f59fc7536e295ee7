"""The rows of sessions and participants, as of their newest commits. A late commit never takes a row back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection
from msgspec import Struct

from audit import bulk, tombstones
from audit.models import SyncLabel, SyncParticipant, SyncSession
from audit.row_limits import RowValues
from audit.row_mapping import ORIGIN_FIELDS, PARTICIPANT_FIELDS, SESSION_FIELDS, Commit, Origin, SessionKey
from synckairos.engine.units import Status

T = TypeVar("T")

_LABEL_FIELDS = ("session", "key", "value", "created_at")
_KEPT_FIELDS = ("created_by", "owner", "visibility", "legal_hold")
"""Fields that the row of a restored session takes from that of its parent."""

_PORTION = 10_000
_IDENTITY = ("session_id", "epoch")
_SET_ONCE = (*_IDENTITY, "sync_mode", "created_at")
_PROJECTED_FIELDS = tuple(name for name in SESSION_FIELDS if name not in _SET_ONCE)
"""Fields of a session that a commit replaces."""
_RUNNING_FIELDS = tuple(name for name in _PROJECTED_FIELDS if name not in {"status", "completed_at"})
"""These fields without those that have an index: SQLite rewrites the indexes of a column that is set, even to the value
that it has."""
_PROJECTED_PARTICIPANT_FIELDS = tuple(name for name in PARTICIPANT_FIELDS if name != "participant_id")
_FINAL = frozenset(status.value for status in Status if status.is_final)
_NO_ORIGIN = ("",) * len(ORIGIN_FIELDS)
_origin_values = attrgetter(*ORIGIN_FIELDS)
_session_values = itemgetter(*SESSION_FIELDS)
_projected_values = itemgetter(*_PROJECTED_FIELDS)
_running_values = itemgetter(*_RUNNING_FIELDS)
_participant_values = itemgetter(*PARTICIPANT_FIELDS)


class SessionRow(Struct, frozen=True):
    """The row of a session before the commits are written."""

    pk: int
    version: int
    status: str
    created_by: str
    deleted_at: Any
    """Deletion of the session as the database driver gives it; None for one that was not deleted."""


CommitsWithRows: TypeAlias = list[tuple[SessionRow, Commit]]
"""Commits, each with the row of its session."""


def lock_session_rows(commits: Sequence[Commit]) -> CommitsWithRows:
    """Lock the rows of all sessions of the commits, and make those that are missing; a new row has version 0.

    Commits that were pruned are left out (audit/tombstones.py). Raises Pruned for a later one of a pruned session.
    """
    by_session = {commit.key: commit for commit in commits}
    sessions = _lock_rows(by_session)
    missing = sorted(by_session.keys() - sessions.keys())
    pruned = tombstones.pruned_versions(missing) if missing else {}
    if pruned:
        tombstones.check(commits, pruned)
        commits = [commit for commit in commits if commit.key not in pruned]
        missing = [key for key in missing if key not in pruned]
    if missing:
        bulk.upsert(
            SyncSession,
            [*SESSION_FIELDS, *ORIGIN_FIELDS],
            [(*_session_values({**by_session[key].session, "version": 0}), *_NO_ORIGIN) for key in missing],
            unique=_IDENTITY,
        )
        sessions |= _lock_rows(missing)
    return [(sessions[commit.key], commit) for commit in commits]


def _lock_rows(wanted: Iterable[SessionKey]) -> dict[SessionKey, SessionRow]:
    keys = set(wanted)
    columns = ("epoch", "id", "version", "status", "created_by", "deleted_at")
    rows = bulk.lock_rows(SyncSession, columns, "session_id", list({session_id for session_id, _ in keys}))
    return {row[:2]: SessionRow(*row[2:]) for row in rows if row[:2] in keys}


def project_sessions(commits_with_rows: CommitsWithRows) -> None:
    """Update the rows of sessions to their newest commits."""
    newest: dict[int, tuple[SessionRow, Commit]] = {}
    created: dict[int, Origin] = {}
    labels: dict[tuple[int, str], tuple[str, datetime]] = {}
    deleted: dict[int, datetime] = {}
    for row, commit in commits_with_rows:
        last = newest[row.pk][1].version if row.pk in newest else row.version
        if commit.version > last:
            newest[row.pk] = row, commit
        if commit.origin is not None and not row.created_by:
            created.setdefault(row.pk, commit.origin)
            for key, value in commit.origin.labels:
                labels[row.pk, key] = value, commit.session["created_at"]
        if commit.deleted_at and not row.deleted_at:
            deleted.setdefault(row.pk, commit.deleted_at)
    whole, running = [], []
    for pk, (row, commit) in sorted(newest.items()):
        values = commit.session
        if values["status"] == row.status and row.status not in _FINAL:  # without an end before and after
            running.append((pk, *_running_values(values)))
        else:
            whole.append((pk, *_projected_values(values)))
    bulk.update(SyncSession, _PROJECTED_FIELDS, whole)
    bulk.update(SyncSession, _RUNNING_FIELDS, running)
    bulk.update(SyncSession, ORIGIN_FIELDS, [(pk, *_origin_values(origin)) for pk, origin in sorted(created.items())])
    bulk.upsert(
        SyncLabel,
        _LABEL_FIELDS,
        [(*place, *labels[place]) for place in sorted(labels)],
        unique=["session", "key"],
    )
    _project_restored([(row, commit) for row, commit in commits_with_rows if commit.parent_epoch])
    bulk.update(SyncSession, ["deleted_at"], sorted(deleted.items()))


def _project_restored(commits_with_rows: CommitsWithRows) -> None:
    """Update the rows of restored sessions and those of their parents, each of which names the other."""
    for row, commit in commits_with_rows:
        session_id, epoch = commit.key
        parents = SyncSession.objects.filter(session_id=session_id, epoch=commit.parent_epoch)
        parents.update(restored_as=epoch)
        kept = parents.values(*_KEPT_FIELDS).first() or {}
        SyncSession.objects.filter(pk=row.pk).update(parent_epoch=commit.parent_epoch, **kept)
        labels = SyncLabel.objects.filter(session__in=parents).values_list("key", "value", "created_at")
        bulk.upsert(SyncLabel, _LABEL_FIELDS, [(row.pk, *label) for label in labels], unique=["session", "key"])


def project_participants(commits_with_rows: CommitsWithRows) -> None:
    """Update the rows of participants to their newest commits."""
    newest: dict[tuple[int, UUID], tuple[bool, RowValues]] = {}
    for row, commit in sorted(commits_with_rows, key=lambda one: one[1].version):
        is_late = commit.version <= row.version
        for values in commit.participants:
            newest[row.pk, values["participant_id"]] = (is_late, values)
    late = {place for place, (is_late, _) in newest.items() if is_late}
    for place, version in _stored_versions(late):
        if version >= newest[place][1]["version"]:
            del newest[place]
    bulk.upsert(
        SyncParticipant,
        ["session", *PARTICIPANT_FIELDS],
        [(pk, *_participant_values(values)) for (pk, _), (_, values) in sorted(newest.items())],
        unique=["session", "participant_id"],
        updated=_PROJECTED_PARTICIPANT_FIELDS,
    )


def _stored_versions(places: set[tuple[int, UUID]]) -> Iterator[tuple[tuple[int, UUID], int]]:
    for portion in map(set, portions(sorted(places))):
        rows = SyncParticipant.objects.filter(
            session_id__in={pk for pk, _ in portion},
            participant_id__in={participant_id for _, participant_id in portion},
        )
        for pk, participant_id, version in rows.values_list("session_id", "participant_id", "version"):
            if (pk, participant_id) in portion:
                yield (pk, participant_id), version


def portions(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield items in portions within the database's limit on variables, with two variables for each item."""
    limit: Any = connection.features.max_query_params
    size = limit // 2 if limit else _PORTION
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion
