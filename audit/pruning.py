"""Retention: sessions that ended long ago are removed whole, in batches of short transactions.

A batch begins with the tombstones of its sessions, goes on with their rows in portions, and ends with the rows of the
sessions themselves. A run that is killed leaves these rows, so the next run finds and completes the sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db import router
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from msgspec import Struct

from audit.models import SyncCommit, SyncPruned, SyncSession
from audit.retention_role import retention

PORTION = 5_000
"""Rows that one transaction deletes, in some tens of milliseconds."""

Position: TypeAlias = "tuple[datetime, int]"


class Batch(Struct, frozen=True):
    """The sessions of one batch, and the number of their rows."""

    sessions: int
    rows: int


def prunable(before: datetime) -> QuerySet[SyncSession]:
    """Return one row of each session that may be removed with all its epochs, if that row ended before the instant.

    A session stays when an epoch of it is under legal hold, has ended later, or goes on: of several epochs the one that
    changed last decides, since one that was lost with its store never ends.
    """
    is_open = Q(completed_at=None, deleted_at=None)
    blocking = SyncSession.objects.filter(session_id=OuterRef("session_id")).filter(
        Q(legal_hold=True)
        | (is_open & Q(updated_at__gte=OuterRef("updated_at")))
        | Q(completed_at__gte=before)
        | Q(completed_at=None, deleted_at__gte=before)
        | (~is_open & Q(pk__gt=OuterRef("pk")))
    )
    return SyncSession.objects.filter(~Exists(blocking))


def held(before: datetime) -> int:
    """Return the number of session rows that ended before an instant and stay because of a legal hold."""
    return SyncSession.objects.filter(
        Q(completed_at__lt=before) | Q(completed_at=None, deleted_at__lt=before), legal_hold=True
    ).count()


def batches(before: datetime, size: int) -> Iterator[list[UUID]]:
    """Yield the ids of sessions to remove, `size` at most at a time, those that ended first at the beginning."""
    for field, is_other in (("completed_at", Q()), ("deleted_at", Q(completed_at=None))):
        position: Position | None = None
        while some := _next(before, field, is_other, position, size):
            position = some[-1][:2]
            yield list(dict.fromkeys(session_id for *_, session_id in some))


def _next(before: datetime, field: str, is_other: Q, position: Position | None, size: int) -> list[Any]:
    rows = prunable(before).filter(is_other, **{f"{field}__lt": before})
    if position is not None:
        ended_at, pk = position
        rows = rows.filter(**{f"{field}__gte": ended_at})  # the bound that an index needs
        rows = rows.filter(Q(**{f"{field}__gt": ended_at}) | Q(pk__gt=pk))
    return list(rows.order_by(field, "pk").values_list(field, "pk", "session_id")[:size])


def count(session_ids: Sequence[UUID]) -> Batch:
    """Return what `prune` would remove."""
    keys = list(SyncSession.objects.filter(session_id__in=session_ids).values_list("pk", flat=True))
    rows = sum(model.objects.filter(session_id__in=keys).count() for model in children())
    return Batch(len(keys), rows)


def prune(session_ids: Sequence[UUID], before: datetime, by: str) -> Batch:
    """Remove sessions with all their rows, and leave a tombstone for each epoch. Those that may stay are left alone."""
    keys = _write_tombstones(session_ids, before, by)
    rows = sum(_delete_portions(model, keys) for model in children())
    with retention():
        locked = SyncSession.objects.select_for_update().filter(pk__in=keys).order_by("pk")
        last = list(locked.values_list("pk", flat=True))
        for model in children():  # a late commit may have been written between the transactions
            rows += raw_delete(model.objects.filter(session_id__in=last))
        sessions = raw_delete(SyncSession.objects.filter(pk__in=last))
    return Batch(sessions, rows)


def children() -> list[Any]:
    """Return the models whose rows belong to a session."""
    return [relation.related_model for relation in SyncSession._meta.related_objects]  # noqa: SLF001 - public in spite of its name


def _write_tombstones(session_ids: Sequence[UUID], before: datetime, by: str) -> list[int]:
    """Return the primary keys of the rows to remove, after their tombstones are committed."""
    with retention():
        locked = SyncSession.objects.select_for_update().filter(session_id__in=session_ids).order_by("pk")
        rows = list(locked.annotate(last_digest=_last_digest()))
        # Asked again under the locks: a hold may have come meanwhile.
        may_go = set(prunable(before).filter(session_id__in=session_ids).values_list("session_id", flat=True))
        rows = [row for row in rows if row.session_id in may_go]
        now = timezone.now()
        SyncPruned.objects.bulk_create(
            [
                SyncPruned(
                    session_id=row.session_id,
                    epoch=row.epoch,
                    version=row.version,
                    digest=row.last_digest,
                    pruned_at=now,
                    pruned_by=by,
                )
                for row in rows
            ],
            ignore_conflicts=True,
        )
    return [row.pk for row in rows]


def _last_digest() -> Subquery:
    last = SyncCommit.objects.filter(session=OuterRef("pk")).order_by("-version")
    return Subquery(last.values("digest")[:1])


def _delete_portions(model: Any, keys: Sequence[int]) -> int:
    deleted = 0
    while True:
        with retention():
            some = model.objects.filter(session_id__in=keys).values("pk")[:PORTION]
            number = raw_delete(model.objects.filter(pk__in=some))
        deleted += number
        if number < PORTION:
            return deleted


def raw_delete(rows: QuerySet[Any]) -> int:
    """Delete rows by one statement, without loading them for cascades and signals."""
    return rows._raw_delete(router.db_for_write(rows.model)) or 0  # noqa: SLF001 - the only such delete
