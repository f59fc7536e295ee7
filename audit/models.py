"""The durable history: a store of events, and the newest session and participant rows, for queries.

A row of SyncEvent never changes. Rows of SyncSession and SyncParticipant only go forward: each has the version that it
shows. See docs/consistency.md.
"""

from __future__ import annotations

from django.db import models

from audit.keeping import SyncErasure, SyncHold, SyncPruned
from synckairos.auth.grants import Role
from synckairos.auth.names import MAX_NAME_LENGTH
from synckairos.engine.events import EVENT_TYPES
from synckairos.engine.units import Status, SyncMode
from synckairos.outbox import Door

__all__ = [
    "SyncCommit",
    "SyncErasure",
    "SyncEvent",
    "SyncHold",
    "SyncLabel",
    "SyncParticipant",
    "SyncPruned",
    "SyncSession",
    "SyncSnapshot",
]

MAX_LABEL_KEY = 64
MAX_LABEL_VALUE = 200
"""Length of the longest value by which sessions can be listed."""


def mode_choices() -> list[tuple[str, str]]:
    """Return the sync modes, for filters."""
    return [(mode.value, mode.value) for mode in SyncMode]


def status_choices() -> list[tuple[str, str]]:
    """Return the session statuses, for filters."""
    return [(status.value, status.value) for status in Status]


def type_choices() -> list[tuple[str, str]]:
    """Return the event types, for filters."""
    return [(name, name) for name in EVENT_TYPES]


class SyncSession(models.Model):
    """One epoch of a session id, as of `version`."""

    session_id = models.UUIDField()
    epoch = models.CharField(max_length=32)
    sync_mode = models.CharField(max_length=32, choices=mode_choices)
    status = models.CharField(max_length=32, choices=status_choices)
    version = models.BigIntegerField()
    cycle_number = models.BigIntegerField()
    total_time_ms = models.BigIntegerField()
    running_ms = models.BigIntegerField()
    active_participant_id = models.UUIDField(null=True)
    created_by = models.CharField(max_length=MAX_NAME_LENGTH, blank=True)
    """Principal of the creation; empty until that event is written."""
    owner = models.CharField(max_length=MAX_NAME_LENGTH, blank=True, db_default="")
    """Owner of the session; empty until the creation is written, and for a session without an owner."""
    visibility = models.CharField(max_length=16, blank=True, db_default="")
    """Visibility of the session; empty until the creation is written."""
    groups = models.JSONField(null=True)
    """Banks of the groups: `group_id`, `total_time_ms` and `has_expired` of each; null without groups."""
    created_at = models.DateTimeField()
    cycle_started_at = models.DateTimeField(null=True)
    """Start of the running stretch of the cycle; null unless the session is running."""
    updated_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    parent_epoch = models.CharField(max_length=32, blank=True, db_default="")
    """The epoch that this one continues, of a session that was restored; empty for others."""
    restored_as = models.CharField(max_length=32, blank=True, db_default="")
    """The epoch that continues this one, which has ended without an event; empty for others."""
    legal_hold = models.BooleanField(default=False, db_default=False)
    """True for a session that neither retention nor an erasure may touch."""

    class Meta:
        verbose_name = "sync session"
        permissions = (("hold_syncsession", "Can place sessions under legal hold and release them"),)
        constraints = (models.UniqueConstraint(fields=["session_id", "epoch"], name="audit_session_once"),)
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="audit_session_latest"),
            models.Index(fields=["status", "-created_at", "-id"], name="audit_session_status"),
            models.Index(fields=["sync_mode", "status", "-created_at", "-id"], name="audit_session_mode"),
            models.Index(fields=["owner", "-created_at", "-id"], name="audit_session_owner"),
            models.Index(fields=["deleted_at"], name="audit_session_deleted"),
            models.Index(
                fields=["completed_at", "id"],
                condition=models.Q(completed_at__isnull=False),
                name="audit_session_completed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.session_id} ({self.epoch})"


def door_choices() -> list[tuple[str, str]]:
    """Return the doors by which commands come in, for filters."""
    return [(door.value, door.value) for door in Door]


def role_choices() -> list[tuple[str, str]]:
    """Return the roles of principals in a session, for filters."""
    return [(role.value, role.value) for role in Role]


class SyncCommit(models.Model):
    """One commit: the events between two versions of a session, who caused them, and their link in the chain.

    The digests are null for a commit of a release before there was a chain (synckairos/commit_chain.py).
    """

    session = models.ForeignKey(SyncSession, models.CASCADE, related_name="commits", db_index=False)
    since_version = models.BigIntegerField()
    version = models.BigIntegerField()
    command_id = models.BinaryField()
    committed_at = models.DateTimeField()
    principal = models.CharField(max_length=MAX_NAME_LENGTH)
    """The principal of the request. That of an event which a deadline has caused is the timekeeper."""
    role = models.CharField(max_length=16, choices=role_choices, blank=True)
    door = models.CharField(max_length=16, choices=door_choices, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    client_key = models.BinaryField()
    """Keyed hash of the Idempotency-Key or the id of the frame; empty without one."""
    address = models.BinaryField()
    """Keyed hash of the client's address."""
    user_agent = models.BinaryField()
    """Keyed hash of the client's user agent."""
    previous = models.BinaryField(null=True)
    """The digest of the commit before; empty for the first of a chain."""
    digest = models.BinaryField(null=True)
    body = models.BinaryField(null=True)
    """The canonical form that the digest covers, with commitments in place of values about persons."""
    salts = models.BinaryField()
    """The salts of these values, one after the other; zeros for a value that was erased."""

    class Meta:
        verbose_name = "sync commit"
        constraints = (
            models.UniqueConstraint(fields=["session", "version"], name="audit_commit_once"),
            models.UniqueConstraint(
                fields=["session", "previous"],
                condition=~models.Q(previous=b""),  # a chain begins anew after commits of an older release
                name="audit_commit_chain",
            ),
        )
        indexes = (models.Index(fields=["address", "-committed_at"], name="audit_commit_address"),)

    def __str__(self) -> str:
        return f"{self.session_id} {self.version}"


class SyncEvent(models.Model):
    """One event; `data` has the fields of its type beyond the common ones (`synckairos.engine.event_data.details`)."""

    session = models.ForeignKey(SyncSession, models.CASCADE, related_name="events", db_index=False)
    sequence = models.BigIntegerField()
    version = models.BigIntegerField()
    type = models.CharField(max_length=32, choices=type_choices)
    at = models.DateTimeField()
    """Instant at which the event took effect."""
    committed_at = models.DateTimeField()
    """Instant of the commit: later than `at` for a deadline that was applied late."""
    data = models.JSONField()
    principal = models.CharField(max_length=MAX_NAME_LENGTH)
    request_id = models.CharField(max_length=64, blank=True)
    commit_version = models.BigIntegerField(null=True)
    """The `version` of its commit; null for events of releases before commits had rows."""

    class Meta:
        verbose_name = "sync event"
        constraints = (models.UniqueConstraint(fields=["session", "sequence"], name="audit_event_once"),)
        indexes = (
            models.Index(fields=["-at", "-id"], name="audit_event_latest"),
            models.Index(fields=["type", "-at"], name="audit_event_type"),
            models.Index(fields=["principal", "-at"], name="audit_event_principal"),
        )

    def __str__(self) -> str:
        return f"{self.sequence} {self.type}"


class SyncParticipant(models.Model):
    """A participant as of `version`, the last commit that changed it."""

    session = models.ForeignKey(SyncSession, models.CASCADE, related_name="participants", db_index=False)
    participant_id = models.UUIDField()
    participant_index = models.BigIntegerField()
    group_id = models.UUIDField(null=True)
    user_id = models.CharField(max_length=MAX_NAME_LENGTH, null=True)  # noqa: DJ001 - absent and empty differ
    total_time_ms = models.BigIntegerField()
    time_used_ms = models.BigIntegerField()
    cycle_count = models.BigIntegerField()
    has_expired = models.BooleanField()
    version = models.BigIntegerField()
    created_at = models.DateTimeField(null=True)
    """Creation of the session, by which the sessions of a person are listed."""

    class Meta:
        verbose_name = "sync participant"
        constraints = (models.UniqueConstraint(fields=["session", "participant_id"], name="audit_participant_once"),)
        indexes = (
            models.Index(
                fields=["user_id", "-created_at", "-session"],
                condition=models.Q(user_id__isnull=False),
                name="audit_participant_user",
            ),
        )

    def __str__(self) -> str:
        return str(self.participant_id)


class SyncLabel(models.Model):
    """A value of the metadata of a session by which sessions are listed (SYNCKAIROS_METADATA_INDEX)."""

    session = models.ForeignKey(SyncSession, models.CASCADE, related_name="labels", db_index=False)
    key = models.CharField(max_length=MAX_LABEL_KEY)
    value = models.CharField(max_length=MAX_LABEL_VALUE)
    created_at = models.DateTimeField()
    """Creation of the session."""

    class Meta:
        verbose_name = "sync label"
        constraints = (models.UniqueConstraint(fields=["session", "key"], name="audit_label_once"),)
        indexes = (models.Index(fields=["key", "value", "-created_at", "-session"], name="audit_label_value"),)

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class SyncSnapshot(models.Model):
    """The state of a session after one of its commits, from which past states are replayed sooner."""

    session = models.ForeignKey(SyncSession, models.CASCADE, related_name="snapshots", db_index=False)
    version = models.BigIntegerField()
    sequence = models.BigIntegerField()
    at = models.DateTimeField()
    """Instant of the last event of the state."""
    state = models.BinaryField()
    """The state as the store keeps it (synckairos/stored_state.py)."""

    class Meta:
        verbose_name = "sync snapshot"
        constraints = (models.UniqueConstraint(fields=["session", "version"], name="audit_snapshot_once"),)

    def __str__(self) -> str:
        return f"{self.session_id} {self.version}"
