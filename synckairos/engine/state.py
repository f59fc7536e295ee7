"""The state of one sync session: immutable, compact, and complete in itself.

Structs are array-like, so that the stored form carries no field names: a new field goes to the end, with a default.
"""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from synckairos.engine.units import Duration, Instant, Json, Status, SyncMode, TimeoutAction, Visibility

NOBODY = -1
"""The value of `State.active` when no participant's cycle is open."""
NO_PERSON = ""
"""The `user_id` of a seat that is nobody's. Without any, it is the person's whose name is the participant's id."""


class Participant(Struct, frozen=True, array_like=True):
    """One seat in the rotation.

    `total_time_ms` is the bank as at the start of the running stretch (or at rest); `time_used_ms` likewise.
    """

    participant_id: UUID
    participant_index: int
    total_time_ms: Duration
    time_used_ms: Duration = 0
    cycle_count: int = 0
    has_expired: bool = False
    group_id: UUID | None = None
    user_id: str | None = None


class Group(Struct, frozen=True, array_like=True):
    """Participants who share one bank (`per_group`)."""

    group_id: UUID
    total_time_ms: Duration
    has_expired: bool = False


class Config(Struct, frozen=True, array_like=True):
    """What was asked for at creation; it never changes."""

    sync_mode: SyncMode
    total_time_ms: Duration
    time_per_cycle_ms: Duration | None = None
    increment_ms: Duration = 0
    max_time_ms: Duration | None = None
    auto_advance: bool = False
    action_on_timeout: Json | None = None
    warning_thresholds_ms: tuple[Duration, ...] = ()
    start_at_ms: Instant | None = None
    metadata: Json | None = None

    @property
    def timeout_action(self) -> TimeoutAction:
        """The action in force, with `auto_advance` turning `notify` into `skip_cycle`."""
        given = self.action_on_timeout
        action = TimeoutAction(str(given.get("type", TimeoutAction.NOTIFY))) if given else TimeoutAction.NOTIFY
        if action is TimeoutAction.NOTIFY and self.auto_advance:
            return TimeoutAction.SKIP_CYCLE
        return action

    @property
    def skips_on_timeout(self) -> bool:
        """Whether an expired cycle makes way for the next one."""
        action = self.timeout_action
        return action is TimeoutAction.SKIP_CYCLE or (action is TimeoutAction.AUTO_ACTION and self.auto_advance)

    @property
    def passes_over_expired(self) -> bool:
        """Whether the rotation leaves out participants whose clock has run out."""
        return self.auto_advance or self.timeout_action is TimeoutAction.SKIP_CYCLE


class Revocation(Struct, frozen=True, array_like=True):
    """A session token that is good no longer."""

    token_id: str
    until_ms: Instant
    """When it would have expired at the latest: from then on nobody needs to remember it."""


class Access(Struct, frozen=True, array_like=True):
    """The owner of a session and who else may use it. Only synckairos/auth/permissions.py reads it."""

    owner: str = ""
    """Subject of who created it; empty for one of before there were owners, which is nobody's."""
    visibility: Visibility = Visibility.PRIVATE
    permissions: tuple[str, ...] = ()
    """What participants may do besides ending their own turn."""
    generation: int = 0
    """How often all session tokens were revoked at once; one of an older generation is good no longer."""
    revoked: tuple[Revocation, ...] = ()
    """Those revoked one by one."""


class Cycle(Struct, frozen=True, array_like=True):
    """The cycle that is open, or the last one."""

    number: int = 0
    """How many cycles have ended."""
    started_ms: Instant | None = None
    """Start of the running stretch; None unless the session is running."""
    elapsed_ms: Duration = 0
    """Running time of this cycle before the running stretch (pauses split a cycle into stretches)."""
    overtime_ms: Duration = 0
    """The part of `elapsed_ms` beyond the end of the clock."""
    warnings_done: int = 0
    """How many of the thresholds, largest first, need no warning any more in this cycle."""
    has_expired: bool = False
    """Whether the clock ran out in this very cycle."""


class State(Struct, frozen=True, array_like=True):
    """Everything there is to know about a session. Participants stand in the order of their indexes."""

    session_id: UUID
    epoch: str
    """Tells apart two sessions that had the same id, one after the other."""
    config: Config
    version: int
    sequence: int
    """How many events have brought the session here."""
    status: Status
    participants: tuple[Participant, ...]
    groups: tuple[Group, ...]
    created_ms: Instant
    updated_ms: Instant
    active: int = NOBODY
    """Position in `participants`."""
    opening: int = NOBODY
    """Position of who starts; taken as `active` by `start`."""
    cycle: Cycle = Cycle()
    running_ms: Duration = 0
    """Time spent running before the running stretch."""
    has_expired: bool = False
    """The session's own clock has run out (`global`, `count_up`)."""
    started_ms: Instant | None = None
    completed_ms: Instant | None = None
    access: Access = Access()

    @property
    def active_participant(self) -> Participant | None:
        """The participant whose cycle is open."""
        return None if self.active == NOBODY else self.participants[self.active]

    def stretch_ms(self, now: Instant) -> Duration:
        """Length of the running stretch at `now`; 0 when nothing runs."""
        if self.cycle.started_ms is None:
            return 0
        return max(0, now - self.cycle.started_ms)

    def position_of(self, participant_id: UUID) -> int:
        """Position of a participant, or NOBODY."""
        for position, participant in enumerate(self.participants):
            if participant.participant_id == participant_id:
                return position
        return NOBODY

    def group_position_of(self, participant: Participant) -> int:
        """Position in `groups` of a participant's group, or NOBODY."""
        for position, group in enumerate(self.groups):
            if group.group_id == participant.group_id:
                return position
        return NOBODY
