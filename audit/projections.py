"""What the newest commits say of sessions and participants. Late commits never take a row back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection

from audit.models import SyncParticipant, SyncSession
from audit.rows import Commit, Key, Values

T = TypeVar("T")
Sessions: TypeAlias = dict[Key, SyncSession]
Versions: TypeAlias = dict[Key, int]

_PORTION = 10_000
_SESSION_FIELDS = [
    field.name
    for field in SyncSession._meta.fields  # noqa: SLF001 - public in spite of its name
    if field.name not in {"id", "session_id", "epoch"}
]
_PARTICIPANT_FIELDS = [
    field.name
    for field in SyncParticipant._meta.fields  # noqa: SLF001
    if field.name not in {"id", "session", "participant_id"}
]


def locked_sessions(commits: Sequence[Commit]) -> Sessions:
    """The locked rows of all sessions concerned, made if need be; a new one shows version 0."""
    firsts = {commit.key: commit for commit in commits}
    sessions = _locked(firsts)
    missing = sorted(firsts.keys() - sessions.keys())
    if missing:
        blanks = [SyncSession(**{**firsts[key].session, "version": 0}) for key in missing]
        SyncSession.objects.bulk_create(blanks, ignore_conflicts=True)
        sessions |= _locked(missing)
    return sessions


def _locked(wanted: Iterable[Key]) -> Sessions:
    keys = set(wanted)
    rows = SyncSession.objects.select_for_update().order_by("pk")
    found = (
        row
        for portion in portions({session_id for session_id, _ in keys})
        for row in rows.filter(session_id__in=portion)
    )
    return {key: row for row in found if (key := (row.session_id, row.epoch)) in keys}


def project_sessions(sessions: Sessions, commits: Sequence[Commit]) -> None:
    changed = {commit.key for commit in commits if _advance(sessions[commit.key], commit)}
    SyncSession.objects.bulk_create(
        [sessions[key] for key in changed],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=_SESSION_FIELDS,
    )


def _advance(row: SyncSession, commit: Commit) -> bool:
    """Take over what a commit adds to a row; False when that is nothing."""
    news: Values = {}
    if commit.version > row.version:
        news |= commit.session
    if commit.created_by and not row.created_by:
        news["created_by"] = commit.created_by
    if commit.deleted_at and not row.deleted_at:
        news["deleted_at"] = commit.deleted_at
    for name, value in news.items():
        setattr(row, name, value)
    return bool(news)


def project_participants(sessions: Sessions, shown: Versions, commits: Sequence[Commit]) -> None:
    """Bring participants forward; `shown` is what the rows of their sessions showed before."""
    newest: dict[tuple[int, UUID], Values] = {}
    late: set[tuple[int, UUID]] = set()
    for commit in sorted(commits, key=lambda commit: commit.version):
        for values in commit.participants:
            place = (sessions[commit.key].pk, values["participant_id"])
            newest[place] = values
            (late.add if commit.version <= shown[commit.key] else late.discard)(place)
    for place, version in _written_participants(late):
        if version >= newest[place]["version"]:
            del newest[place]
    SyncParticipant.objects.bulk_create(
        [SyncParticipant(session_id=pk, **values) for (pk, _), values in sorted(newest.items())],
        update_conflicts=True,
        unique_fields=["session", "participant_id"],
        update_fields=_PARTICIPANT_FIELDS,
    )


def _written_participants(places: set[tuple[int, UUID]]) -> Iterator[tuple[tuple[int, UUID], int]]:
    for portion in map(set, portions(sorted(places))):
        rows = SyncParticipant.objects.filter(
            session_id__in={pk for pk, _ in portion},
            participant_id__in={participant_id for _, participant_id in portion},
        )
        for pk, participant_id, version in rows.values_list("session_id", "participant_id", "version"):
            if (pk, participant_id) in portion:
                yield (pk, participant_id), version


def portions(items: Iterable[T]) -> Iterator[list[T]]:
    """Items in as many portions as the database's limit on variables asks for, two variables for each item."""
    limit: Any = connection.features.max_query_params
    size = limit // 2 if limit else _PORTION
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion
