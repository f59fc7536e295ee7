"""Queries of sessions that have not ended in the audit: the store may have lost them (docs/operations.md)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from audit.models import SyncCommit, SyncEvent, SyncSession
from audit.selectors import HistoryIncomplete, lineage, rebuilt_event
from synckairos.engine import Status, evolve
from synckairos.engine.events import (
    AccessRevoked,
    Event,
    ParticipantAdded,
    ParticipantAssigned,
    SessionCreated,
    SessionRestored,
)
from synckairos.engine.state import NOBODY, State

_PORTION = 500
_LIVE = tuple(status.value for status in Status if not status.is_final)
_OF_ACCESS = tuple(
    kind.name for kind in (SessionCreated, ParticipantAdded, ParticipantAssigned, AccessRevoked, SessionRestored)
)


def live_sessions(since: datetime | None = None) -> QuerySet[SyncSession]:
    """Return the sessions that have not ended as far as the audit knows: of each id the newest epoch, if that is live.

    `since` limits them to those that have changed at or after an instant.
    """
    newer = SyncSession.objects.filter(session_id=OuterRef("session_id")).filter(
        Q(created_at__gt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__gt=OuterRef("pk"))
    )
    rows = SyncSession.objects.filter(status__in=_LIVE, deleted_at=None, restored_as="")
    if since is not None:
        rows = rows.filter(updated_at__gte=since)
    return rows.exclude(Exists(newer))


def live_among(session_ids: Collection[UUID], since: datetime) -> set[UUID]:
    """Return those of the session ids whose session has not ended, and has changed at or after an instant."""
    return set(live_sessions(since).filter(session_id__in=session_ids).values_list("session_id", flat=True))


def access_state(session_id: UUID, since: datetime) -> State | None:
    """Return a state of such a session with its access and its seats; None when it has ended.

    Its clocks mean nothing: it is made of few events, however long the history is.
    """
    row = live_sessions(since).filter(session_id=session_id).first()
    if row is None:
        return None
    return recorded_access(row)


def recorded_access(session: SyncSession) -> State | None:
    """Return a state of a session with its last written access and seats; None when the beginning or an epoch is
    missing, or the addition of a seat that was assigned later.

    Its clocks mean nothing: it is made of few events, however long the history is.
    """
    try:
        epochs = lineage(session)
    except HistoryIncomplete:
        return None
    parts = Q()
    for epoch, following in epochs:  # an epoch may have events beyond the one that was restored from it
        parts |= Q(session=epoch) if following is None else Q(session=epoch, sequence__lt=following)
    state = None
    for row in SyncEvent.objects.filter(parts, type__in=_OF_ACCESS).order_by("sequence"):
        event = rebuilt_event(row)
        if not _may_follow(state, event):
            return None
        state = evolve(state, event)
    return state


def _may_follow(state: State | None, event: Event) -> bool:
    """Return whether an event of access can be applied: a creation came before it, and the addition of its seat."""
    if state is None:
        return isinstance(event, SessionCreated)
    return not isinstance(event, ParticipantAssigned) or state.position_of(event.participant_id) != NOBODY


def last_commit_at(keys: Sequence[int]) -> datetime | None:
    """Return the instant of the newest commit of the sessions with these primary keys, and of those that were restored
    before; None without any."""
    commits = SyncCommit.objects.filter(version=F("session__version"))
    found = [commits.exclude(session__restored_as="").aggregate(at=Max("committed_at"))["at"]]
    for start in range(0, len(keys), _PORTION):
        some = keys[start : start + _PORTION]
        found.append(commits.filter(session__in=some).aggregate(at=Max("committed_at"))["at"])
        found.append(SyncSession.objects.filter(pk__in=some).aggregate(at=Max("updated_at"))["at"])
    return max((at for at in found if at is not None), default=None)


def commits_between(after: datetime, until: datetime) -> int:
    """Return the number of commits of all sessions with events after one instant and up to another."""
    events = SyncEvent.objects.filter(at__gt=after, at__lte=until)  # of commits there is no index by time
    return events.order_by().values("session_id", "commit_version").distinct().count()


def digests_at(places: Collection[tuple[UUID, str, int]]) -> dict[tuple[UUID, str, int], bytes]:
    """Return the digests of commits by session id, epoch and version; empty for one without a digest. An epoch that the
    audit does not know is missing."""
    wanted = set(places)
    epochs = SyncSession.objects.filter(session_id__in={session_id for session_id, _, _ in wanted})
    known = {(row.session_id, row.epoch): row.pk for row in epochs}
    found = {place: b"" for place in wanted if place[:2] in known}
    rows = SyncCommit.objects.filter(
        session__in=[known[place[:2]] for place in found], version__in={version for _, _, version in found}
    )
    for session_id, epoch, version, digest in rows.values_list(
        "session__session_id", "session__epoch", "version", "digest"
    ):
        if (session_id, epoch, version) in found:
            found[session_id, epoch, version] = bytes(digest or b"")
    return found
