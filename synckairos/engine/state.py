"""The state of one sync session: immutable, compact and complete.

Structs are array-like, so that the stored form has no field names: a new field goes to the end, with a default.
"""

from __future__ import annotations

from functools import cached_property
from uuid import UUID

from msgspec import Struct

from synckairos.engine.controls import SUDDEN_DEATH, Control, Progress, TimeControl, fischer, per_turn
from synckairos.engine.lag import LagAccount
from synckairos.engine.units import Duration, Instant, Json, Status, SyncMode, TimeoutAction, Visibility

NOBODY = -1
"""The value of `State.active` when no participant's cycle is open."""
NO_PERSON = ""
"""The `user_id` of a seat without an owner. With None, the owner is the subject that equals the participant's id."""


class Participant(Struct, frozen=True, array_like=True):
    """One seat in the rotation.

    `total_time_ms` is the bank at the start of the running stretch (or at rest); `time_used_ms` likewise.
    """

    participant_id: UUID
    participant_index: int
    total_time_ms: Duration
    time_used_ms: Duration = 0
    cycle_count: int = 0
    has_expired: bool = False
    group_id: UUID | None = None
    user_id: str | None = None
    progress: Progress | None = None
    """The progress in the time control; None in the main time while nothing is counted."""
    time_control: Control | None = None
    """The participant's own time control; None for that of the session."""
    lag: LagAccount | None = None
    """None unless the session compensates lag."""


class Group(Struct, frozen=True, array_like=True):
    """Participants that share one bank (`per_group`)."""

    group_id: UUID
    total_time_ms: Duration
    has_expired: bool = False
    progress: Progress | None = None
    """The progress in the time control; None in the main time while nothing is counted."""
    time_control: Control | None = None
    """The group's own time control; None for that of the session."""


class Config(Struct, frozen=True, array_like=True, dict=True):
    """The configuration given at creation; it never changes, and what is derived from it is kept."""

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
    time_control: Control | None = None
    compensates_lag: bool = False

    @cached_property
    def control(self) -> TimeControl:
        """Return the time control of the session; `increment_ms` and `time_per_cycle_ms` are short forms of one."""
        if self.time_control is not None:
            return self.time_control
        if self.increment_ms:
            return fischer(self.increment_ms)
        return per_turn(self.time_per_cycle_ms or 0) if self.sync_mode is SyncMode.PER_CYCLE else SUDDEN_DEATH

    @property
    def timeout_action(self) -> TimeoutAction:
        """Return the action in force: `auto_advance` makes `skip_cycle` of `notify`."""
        given = self.action_on_timeout
        action = TimeoutAction(str(given.get("type", TimeoutAction.NOTIFY))) if given else TimeoutAction.NOTIFY
        if action is TimeoutAction.NOTIFY and self.auto_advance:
            return TimeoutAction.SKIP_CYCLE
        return action

    @property
    def skips_on_timeout(self) -> bool:
        """True if the next cycle begins when a clock expires."""
        action = self.timeout_action
        return action is TimeoutAction.SKIP_CYCLE or (action is TimeoutAction.AUTO_ACTION and self.auto_advance)

    @property
    def passes_over_expired(self) -> bool:
        """True if the rotation leaves out participants whose clock has expired."""
        return self.auto_advance or self.timeout_action is TimeoutAction.SKIP_CYCLE


class Revocation(Struct, frozen=True, array_like=True):
    """A session token that is no longer valid."""

    token_id: str
    until_ms: Instant
    """Latest instant at which the token would have expired: from then on the revocation need not be kept."""


class Access(Struct, frozen=True, array_like=True):
    """The owner of a session and the others that may use it. Only synckairos/auth/permissions.py reads it."""

    owner: str = ""
    """Subject of the creator; empty for a session from before owners existed, which has none."""
    visibility: Visibility = Visibility.PRIVATE
    permissions: tuple[str, ...] = ()
    """Actions that participants or controllers may take beyond the table of permissions."""
    generation: int = 0
    """Number of times that all session tokens were revoked; a token of an older generation is not valid."""
    revoked: tuple[Revocation, ...] = ()
    """The tokens that were revoked one by one."""
    token_epoch: str = ""
    """Epoch that session tokens name: the first one of a session that was restored. Empty for that of the session."""


class Cycle(Struct, frozen=True, array_like=True):
    """The cycle that is open, or the last one."""

    number: int = 0
    """Number of cycles that have ended."""
    started_ms: Instant | None = None
    """Start of the running stretch; None unless the session is running."""
    elapsed_ms: Duration = 0
    """Running time of this cycle before the running stretch (pauses split a cycle into stretches)."""
    overtime_ms: Duration = 0
    """The part of `elapsed_ms` beyond the end of the clock."""
    warnings_done: int = 0
    """Number of thresholds, from the largest, that need no further warning in this cycle."""
    has_expired: bool = False
    """True if the clock expired in this cycle."""
    adjusted_ms: Duration = 0
    """Sum of the adjustments to the clock of this cycle (`per_cycle`)."""


class LastSwitch(Struct, frozen=True, array_like=True):
    """The things that a switch has changed, as they were before: `undo` restores them."""

    active: int
    cycle: Cycle
    running_ms: Duration
    participant: Participant | None
    """The participant that was active. Its bank is that of its group, if it shares one."""
    gained_ms: Duration = 0
    """Time that the other clock has gained (hourglass)."""


class State(Struct, frozen=True, array_like=True):
    """The whole state of a session. Participants are in the order of their indexes."""

    session_id: UUID
    epoch: str
    """Distinguishes sessions that had one id, one after the other."""
    config: Config
    version: int
    sequence: int
    """Number of events of the session so far."""
    status: Status
    participants: tuple[Participant, ...]
    groups: tuple[Group, ...]
    created_ms: Instant
    updated_ms: Instant
    active: int = NOBODY
    """Position of the active participant in `participants`."""
    opening: int = NOBODY
    """Position of the first participant; `start` makes it the active one."""
    cycle: Cycle = Cycle()
    running_ms: Duration = 0
    """Time spent running before the running stretch."""
    has_expired: bool = False
    """The session's own clock has run out (`global`, `count_up`)."""
    started_ms: Instant | None = None
    completed_ms: Instant | None = None
    access: Access = Access()
    adjusted_ms: Duration = 0
    """Sum of the adjustments to the clock of the session (`global`, `count_up`)."""
    last_switch: LastSwitch | None = None
    """The switch that `undo` takes back; None when something else has happened since."""
    digest: bytes = b""
    """Digest of the last commit (synckairos/commit_chain.py). It goes through the engine unchanged."""

    @property
    def active_participant(self) -> Participant | None:
        """Return the participant whose cycle is open, or None."""
        return None if self.active == NOBODY else self.participants[self.active]

    def stretch_ms(self, now: Instant) -> Duration:
        """Return the length of the running stretch at `now`; 0 when none runs."""
        started_ms = self.cycle.started_ms
        return 0 if started_ms is None or now < started_ms else now - started_ms

    def position_of(self, participant_id: UUID) -> int:
        """Return the position of a participant, or NOBODY."""
        for position, participant in enumerate(self.participants):
            if participant.participant_id is participant_id:  # to compare ids costs more
                return position
        for position, participant in enumerate(self.participants):
            if participant.participant_id == participant_id:
                return position
        return NOBODY

    def group_position_of(self, participant: Participant) -> int:
        """Return the position in `groups` of a participant's group, or NOBODY."""
        for position, group in enumerate(self.groups):
            if group.group_id == participant.group_id:
                return position
        return NOBODY
