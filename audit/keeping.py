"""Models of what staff decide about kept sessions: legal holds, sessions that were pruned, persons that were erased.

See docs/operations.md#retention-and-legal-hold.
"""

from __future__ import annotations

from django.db import models

from synckairos.auth.names import MAX_NAME_LENGTH

MAX_REASON_LENGTH = 512


class SyncHold(models.Model):
    """One decision about a legal hold. The session's rows say whether it is held now (`SyncSession.legal_hold`)."""

    session_id = models.UUIDField()
    is_held = models.BooleanField()
    """True when the session was placed under legal hold, false when it was released."""
    reason = models.CharField(max_length=MAX_REASON_LENGTH)
    by = models.CharField(max_length=MAX_NAME_LENGTH)
    at = models.DateTimeField()

    class Meta:
        app_label = "audit"
        verbose_name = "legal hold"
        ordering = ("-id",)
        indexes = (models.Index(fields=["session_id"], name="audit_hold_session"),)

    def __str__(self) -> str:
        return f"{self.session_id} {'held' if self.is_held else 'released'}"


class SyncPruned(models.Model):
    """The tombstone of one epoch of a session that was pruned: where its chain ended."""

    session_id = models.UUIDField()
    epoch = models.CharField(max_length=32)
    version = models.BigIntegerField()
    """The last version that was written."""
    digest = models.BinaryField(null=True)
    """The digest of its last commit; null without a chain."""
    pruned_at = models.DateTimeField()
    pruned_by = models.CharField(max_length=MAX_NAME_LENGTH)

    class Meta:
        app_label = "audit"
        verbose_name = "pruned session"
        verbose_name_plural = "pruned sessions"
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["session_id", "epoch"], name="audit_pruned_once"),)

    def __str__(self) -> str:
        return f"{self.session_id} ({self.epoch})"


class SyncErasure(models.Model):
    """One erasure of a person: when, by whom and how much, but not who it was."""

    at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    """Null while it runs, and after one that was interrupted: the next run of the same person continues it."""
    by = models.CharField(max_length=MAX_NAME_LENGTH)
    person = models.BinaryField()
    """Keyed hash of the user id: it shows that a given person was erased, and nobody can look it up."""
    sessions = models.BigIntegerField(default=0)
    """Number of session rows in which values were erased."""
    values = models.BigIntegerField(default=0)
    """Number of values that were erased in the database."""

    class Meta:
        app_label = "audit"
        verbose_name = "erasure"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d} {bytes(self.person).hex()[:16]}"
