"""The catalogue of event types, named in the past tense.

An event carries every fact that `evolve` needs, so a fold over the events of a session results in its state. The
integer tag is the stored form and never changes; `name` is the form that clients and the audit see.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, TypeAlias, get_args, get_type_hints
from uuid import UUID

import msgspec
import msgspec.structs
from msgspec import Struct

from synckairos.engine.controls import Progress
from synckairos.engine.lag import Lag
from synckairos.engine.state import Access, Config, Group, Participant
from synckairos.engine.units import Duration, Instant, Json


class EventBase(Struct, frozen=True, array_like=True):
    """The fields that all events have: `sequence` counts events, `version` counts transitions, both without gaps."""

    name: ClassVar[str]

    sequence: int
    version: int
    at_ms: Instant


class SessionCreated(EventBase, frozen=True, array_like=True, tag=1):
    name: ClassVar[str] = "session.created"
    session_id: UUID
    epoch: str
    config: Config
    participants: tuple[Participant, ...]
    groups: tuple[Group, ...]
    opening: int
    access: Access = Access()


class SessionStarted(EventBase, frozen=True, array_like=True, tag=2):
    name: ClassVar[str] = "session.started"
    participant_id: UUID | None


class SessionPaused(EventBase, frozen=True, array_like=True, tag=3):
    name: ClassVar[str] = "session.paused"


class SessionResumed(EventBase, frozen=True, array_like=True, tag=4):
    name: ClassVar[str] = "session.resumed"


class CycleSwitched(EventBase, frozen=True, array_like=True, tag=5):
    name: ClassVar[str] = "cycle.switched"
    from_participant_id: UUID | None
    to_participant_id: UUID | None
    on_timeout: bool = False
    """True when a deadline, not a command, ended the cycle."""
    turn_ms: Duration | None = None
    """Running time of the cycle that has ended; None in events from before time controls, which carry no outcome."""
    left_ms: Duration | None = None
    """Time left on the clock of the turn, with what it has earned; None when nothing drains."""
    earned_ms: Duration = 0
    """The part of `left_ms` that the turn has earned, without what each turn has anew (a period, an allowance)."""
    progress: Progress | None = None
    """The progress in the time control after the turn; None when it is still in the main time and counts nothing."""
    gained_ms: Duration = 0
    """Time that the other clock has gained (hourglass)."""
    penalty_points: int = 0
    """Points that the owner of the clock has lost by overtime so far."""
    lag: Lag | None = None
    """The lag of the turn; None unless the session compensates lag."""


class ParticipantWarned(EventBase, frozen=True, array_like=True, tag=6):
    name: ClassVar[str] = "participant.warned"
    participant_id: UUID | None
    threshold_ms: Duration
    time_remaining_ms: Duration


class ParticipantExpired(EventBase, frozen=True, array_like=True, tag=7):
    name: ClassVar[str] = "participant.expired"
    participant_id: UUID | None
    group_id: UUID | None
    action_applied: Json
    penalty_points: int = 0
    """Points that the owner of the clock has lost by overtime."""


class SessionExpired(EventBase, frozen=True, array_like=True, tag=8):
    name: ClassVar[str] = "session.expired"
    winner: UUID | None


class SessionCompleted(EventBase, frozen=True, array_like=True, tag=9):
    name: ClassVar[str] = "session.completed"


class SessionCancelled(EventBase, frozen=True, array_like=True, tag=10):
    name: ClassVar[str] = "session.cancelled"


class SessionDeleted(EventBase, frozen=True, array_like=True, tag=11):
    name: ClassVar[str] = "session.deleted"


class ParticipantAdded(EventBase, frozen=True, array_like=True, tag=12):
    name: ClassVar[str] = "participant.added"
    participant: Participant


class ParticipantAdjusted(EventBase, frozen=True, array_like=True, tag=13):
    name: ClassVar[str] = "participant.adjusted"
    participant_id: UUID
    total_time_ms: Duration
    """The bank after the adjustment, worked out at `at_ms`."""
    reason: str | None


class AccessRevoked(EventBase, frozen=True, array_like=True, tag=14):
    name: ClassVar[str] = "access.revoked"
    token_id: str | None
    """The id of one session token; None for all that were issued so far."""
    until_ms: Instant
    """Latest instant at which the tokens would have expired."""


class SessionAbandoned(EventBase, frozen=True, array_like=True, tag=15):
    """The session was ended because nothing had happened for a long time."""

    name: ClassVar[str] = "session.abandoned"
    idle_since_ms: Instant
    """Instant of the last sign of life."""


class ParticipantAssigned(EventBase, frozen=True, array_like=True, tag=16):
    name: ClassVar[str] = "participant.assigned"
    participant_id: UUID
    user_id: str
    """The new owner of the seat; empty for none."""
    reason: str | None = None


class ClockPhaseChanged(EventBase, frozen=True, array_like=True, tag=17):
    """No time was left in one phase of the time control, and the next one began."""

    name: ClassVar[str] = "clock.phase_changed"
    participant_id: UUID | None
    group_id: UUID | None
    left_ms: Duration
    progress: Progress


class ClockAdjusted(EventBase, frozen=True, array_like=True, tag=18):
    """The clock that runs, or that runs next, was adjusted."""

    name: ClassVar[str] = "clock.adjusted"
    participant_id: UUID | None
    group_id: UUID | None
    left_ms: Duration
    """The time left afterwards, at `at_ms`."""
    by_ms: int
    """The difference to the time left before."""
    reason: str | None = None


class CycleUndone(EventBase, frozen=True, array_like=True, tag=19):
    """The last switch was taken back: the turn returned, and the time since the switch is the returned one's."""

    name: ClassVar[str] = "cycle.undone"
    from_participant_id: UUID | None
    """The participant that the switch had given the turn to."""
    to_participant_id: UUID | None
    reason: str | None = None


class CycleAssigned(EventBase, frozen=True, array_like=True, tag=20):
    """The turn was given to a participant; the turn that it interrupted does not count as finished."""

    name: ClassVar[str] = "cycle.assigned"
    from_participant_id: UUID | None
    to_participant_id: UUID
    left_ms: Duration | None = None
    """The bank of the interrupted participant afterwards; None when it has no bank."""
    progress: Progress | None = None
    reason: str | None = None


Event: TypeAlias = (
    SessionCreated
    | SessionStarted
    | SessionPaused
    | SessionResumed
    | CycleSwitched
    | ParticipantWarned
    | ParticipantExpired
    | SessionExpired
    | SessionCompleted
    | SessionCancelled
    | SessionDeleted
    | ParticipantAdded
    | ParticipantAdjusted
    | AccessRevoked
    | SessionAbandoned
    | ParticipantAssigned
    | ClockPhaseChanged
    | ClockAdjusted
    | CycleUndone
    | CycleAssigned
)

EVENT_TYPES: dict[str, type[Event]] = {kind.name: kind for kind in Event.__args__}
"""Every event type by the name clients see."""

_COMMON = frozenset({"sequence", "version", "at_ms"})
_PLAIN = frozenset({int, str, bool})
_SCALARS = _PLAIN | {type(None), UUID}
_fields = cache(msgspec.structs.fields)


def details(event: Event) -> dict[str, Any]:
    """Return the fields of an event without the common ones, as plain JSON values, structs as objects."""
    return {field: _as_json(getattr(event, field)) for field in _own_fields(type(event))}


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of an event without the common ones, for an encoder that supports UUIDs.

    UUIDs are left as they are: their conversion to text would cost more than all the rest.
    """
    return {
        field: value if type(value := getattr(event, field)) in _SCALARS else _as_json(value)
        for field in _own_fields(type(event))
    }


@cache
def _own_fields(kind: type[Event]) -> tuple[str, ...]:
    return tuple(field for field in kind.__struct_fields__ if field not in _COMMON)


def rebuild(name: str, *, sequence: int, version: int, at_ms: Instant, data: dict[str, Any]) -> Event:
    """Return the event of which `details` made this data. Raises KeyError for an unknown name, or
    msgspec.ValidationError for bad data."""
    kind = EVENT_TYPES[name]
    values = {"sequence": sequence, "version": version, "at_ms": at_ms, **data}
    event: Event = msgspec.convert([kind.__struct_config__.tag, *_as_array(kind, values)], Event)
    return event


def _as_json(value: Any) -> Any:
    """Return a value with structs as objects, which are arrays in the store."""
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Struct):
        if not value.__struct_config__.array_like:  # stored as an object, with its tag
            return msgspec.to_builtins(value)
        return {field: _as_json(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    return msgspec.to_builtins(value)


def _as_array(kind: type[Struct], values: dict[str, Any]) -> list[Any]:
    """Return an object as the array in which its struct is stored; a missing field gets its default."""
    hints = _hints(kind)
    return [
        _as_stored(hints[field.name], values[field.name]) if field.name in values else field.default
        for field in _fields(kind)
        if field.name in values or not field.required
    ]


def _as_stored(hint: Any, value: Any) -> Any:
    if isinstance(value, dict):
        struct = _array_struct(hint)
        return value if struct is None else _as_array(struct, value)
    if isinstance(value, list):
        item = next(iter(get_args(hint)), None)
        return [_as_stored(item, one) for one in value] if _array_struct(item) else value
    return value


def _array_struct(hint: Any) -> type[Struct] | None:
    """Return the struct that a field of this type holds as an array, alone or with None."""
    for kind in (hint, *get_args(hint)):
        if isinstance(kind, type) and issubclass(kind, Struct) and kind.__struct_config__.array_like:
            return kind
    return None


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind)
