"""What the newest commits say of sessions and participants. Late commits never take a row back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection
from msgspec import Struct

from audit import bulk
from audit.models import SyncParticipant, SyncSession
from audit.row_mapping import PARTICIPANT_FIELDS, SESSION_FIELDS, Commit, Key, Values

T = TypeVar("T")

_PORTION = 10_000
_IDENTITY = ("session_id", "epoch")
_MOVING = tuple(name for name in SESSION_FIELDS if name not in _IDENTITY)
"""Fields of a session that a commit brings forward."""
_MOVING_OF_PARTICIPANT = tuple(name for name in PARTICIPANT_FIELDS if name != "participant_id")
_session_values = itemgetter(*SESSION_FIELDS)
_moving_values = itemgetter(*_MOVING)
_participant_values = itemgetter(*PARTICIPANT_FIELDS)


class Shown(Struct, frozen=True):
    """What the row of a session shows before the commits are written."""

    pk: int
    version: int
    created_by: str
    deleted_at: datetime | None


Placed: TypeAlias = list[tuple[Shown, Commit]]
"""Commits, each beside its session's row."""


def placed_commits(commits: Sequence[Commit]) -> Placed:
    """Lock the rows of all sessions concerned, made if need be; a new one shows version 0."""
    firsts = {commit.key: commit for commit in commits}
    sessions = _locked(firsts)
    missing = sorted(firsts.keys() - sessions.keys())
    if missing:
        bulk.upsert(
            SyncSession,
            [*SESSION_FIELDS, "created_by"],
            [(*_session_values({**firsts[key].session, "version": 0}), "") for key in missing],
            unique=_IDENTITY,
        )
        sessions |= _locked(missing)
    return [(sessions[commit.key], commit) for commit in commits]


def _locked(wanted: Iterable[Key]) -> dict[Key, Shown]:
    keys = set(wanted)
    rows = SyncSession.objects.select_for_update().order_by("pk")
    columns = ("session_id", "epoch", "pk", "version", "created_by", "deleted_at")
    found = (
        row
        for portion in portions({session_id for session_id, _ in keys})
        for row in rows.filter(session_id__in=portion).values_list(*columns)
    )
    return {row[:2]: Shown(*row[2:]) for row in found if row[:2] in keys}


def project_sessions(placed: Placed) -> None:
    """Bring the rows of sessions forward."""
    newest: dict[int, Commit] = {}
    created: dict[int, str] = {}
    deleted: dict[int, datetime] = {}
    for shown, commit in placed:
        if commit.version > newest.get(shown.pk, shown).version:
            newest[shown.pk] = commit
        if commit.created_by and not shown.created_by:
            created.setdefault(shown.pk, commit.created_by)
        if commit.deleted_at and not shown.deleted_at:
            deleted.setdefault(shown.pk, commit.deleted_at)
    bulk.update(SyncSession, _MOVING, [(pk, *_moving_values(commit.session)) for pk, commit in sorted(newest.items())])
    bulk.update(SyncSession, ["created_by"], sorted(created.items()))
    bulk.update(SyncSession, ["deleted_at"], sorted(deleted.items()))


def project_participants(placed: Placed) -> None:
    """Bring the rows of participants forward."""
    newest: dict[tuple[int, UUID], tuple[bool, Values]] = {}
    for shown, commit in sorted(placed, key=lambda one: one[1].version):
        is_late = commit.version <= shown.version
        for values in commit.participants:
            newest[shown.pk, values["participant_id"]] = (is_late, values)
    late = {place for place, (is_late, _) in newest.items() if is_late}
    for place, version in _written_participants(late):
        if version >= newest[place][1]["version"]:
            del newest[place]
    bulk.upsert(
        SyncParticipant,
        ["session", *PARTICIPANT_FIELDS],
        [(pk, *_participant_values(values)) for (pk, _), (_, values) in sorted(newest.items())],
        unique=["session", "participant_id"],
        updated=_MOVING_OF_PARTICIPANT,
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
