"""Legal holds: a session under hold is neither pruned nor erased from, and each decision is recorded (SyncHold)."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.keeping import MAX_REASON_LENGTH
from audit.models import SyncHold, SyncPruned, SyncSession

__all__ = ["MAX_REASON_LENGTH", "HoldRefused", "set_hold"]


class HoldRefused(Exception):
    """The session does not exist, is being pruned, or is already as it was asked to be."""


def set_hold(session_id: UUID, *, is_held: bool, reason: str, by: str) -> None:
    """Place all epochs of a session under legal hold, or release them, and record the decision. Raises HoldRefused."""
    with transaction.atomic():
        epochs = list(SyncSession.objects.select_for_update().filter(session_id=session_id).order_by("pk"))
        if not epochs:
            raise HoldRefused("The audit has no such session.")
        if all(row.legal_hold is is_held for row in epochs):
            raise HoldRefused(f"The session is {'already' if is_held else 'not'} under legal hold.")
        pruned = SyncPruned.objects.filter(session_id=session_id, epoch__in=[row.epoch for row in epochs])
        if is_held and pruned.exists():
            raise HoldRefused("The session is being pruned: some of its rows are gone.")
        SyncSession.objects.filter(session_id=session_id).update(legal_hold=is_held)
        SyncHold.objects.create(session_id=session_id, is_held=is_held, reason=reason, by=by, at=timezone.now())
