"""The request bodies of the REST doors, and the engine's commands that they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from sessions.bounds import MAX_INCREMENT_MS, MAX_INDEX, MAX_VERSION, MAX_WARNINGS, MIN_TIME_MS
from sessions.rest.fields import (
    Body,
    BooleanField,
    InstantField,
    IntegerField,
    ListField,
    NameField,
    ObjectField,
    TextField,
    UUIDField,
)
from sessions.services.session_tokens import LONGEST_MS
from synckairos.auth.grants import GRANTED, Role
from synckairos.auth.names import NAME_RULE
from synckairos.auth.permissions import PARTICIPANT_PERMISSIONS
from synckairos.conf import conf
from synckairos.engine import MAX_PARTICIPANTS, MAX_TIME_MS, SyncMode, TimeoutAction, commands, problems
from synckairos.engine.state import NO_PERSON, Access
from synckairos.engine.units import Visibility
from synckairos.redis.store_clock import store_clock

B = TypeVar("B", bound=Body)

MAX_BATCH = 50
LONGEST_WAIT_MS = 36_525 * 86_400_000
"""How far ahead a start may be scheduled."""


def _named(name: str) -> Callable[[type[B]], type[B]]:
    """The OpenAPI document calls this body `<name>Request`."""
    decorate: Callable[[type[B]], type[B]] = extend_schema_serializer(component_name=name)
    return decorate


def _duration(**options: Any) -> IntegerField:
    return IntegerField(min_value=MIN_TIME_MS, max_value=MAX_TIME_MS, **options)


def _version() -> IntegerField:
    return IntegerField(
        min_value=0,
        max_value=MAX_VERSION,
        required=False,
        allow_null=True,
        help_text="Refused with 409 when the session is at another version.",
    )


@_named("Participant")
class ParticipantBody(Body):
    """One participant."""

    participant_id = UUIDField()
    participant_index = IntegerField(min_value=0, max_value=MAX_INDEX, required=False, allow_null=True)
    total_time_ms = _duration()
    group_id = UUIDField(required=False, allow_null=True)
    user_id = NameField(required=False, allow_null=True)


@_named("Group")
class GroupBody(Body):
    """One group's bank."""

    group_id = UUIDField()
    total_time_ms = _duration()


class TimeoutActionBody(ObjectField):
    """`{"type": …}` and whatever else the client wants to see again."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        value = super().to_internal_value(data)
        if value.get("type") not in list(TimeoutAction):  # a list compares what a set cannot hash
            allowed = ", ".join(TimeoutAction)
            raise serializers.ValidationError({"type": [f"Must be one of: {allowed}."]})
        return value


@_named("CreateSession")
class CreateBody(Body):
    """A new session."""

    session_id = UUIDField(required=False, allow_null=True)
    sync_mode = serializers.ChoiceField(choices=[mode.value for mode in SyncMode])
    participants = ListField(child=ParticipantBody(), required=False, max_length=MAX_PARTICIPANTS)
    groups = ListField(child=GroupBody(), required=False, max_length=MAX_PARTICIPANTS)
    total_time_ms = _duration(required=False, allow_null=True)
    time_per_cycle_ms = _duration(required=False, allow_null=True)
    increment_ms = IntegerField(min_value=0, max_value=MAX_INCREMENT_MS, required=False, allow_null=True)
    max_time_ms = _duration(required=False, allow_null=True)
    metadata = ObjectField(required=False, allow_null=True)
    active_participant_id = UUIDField(required=False, allow_null=True)
    auto_advance = BooleanField(required=False)
    action_on_timeout = TimeoutActionBody(required=False, allow_null=True)
    warning_thresholds_ms = ListField(
        child=IntegerField(min_value=1, max_value=MAX_TIME_MS), required=False, max_length=MAX_WARNINGS
    )
    start_at = InstantField(required=False, allow_null=True)
    visibility = serializers.ChoiceField(choices=[one.value for one in Visibility], required=False, allow_null=True)
    permissions = ListField(
        child=serializers.ChoiceField(choices=[action.value for action in PARTICIPANT_PERMISSIONS]),
        required=False,
        max_length=len(PARTICIPANT_PERMISSIONS),
        help_text="What participants may do besides switching away from their own turn.",
    )

    def cross_check(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        wrong = set(self.fields) - set(values)
        start_at_ms = values.get("start_at")
        late = start_at_ms is not None and start_at_ms > store_clock.now_ms() + LONGEST_WAIT_MS
        found = [("start_at", "At most a hundred years ahead.")] if late else []
        if "sync_mode" in wrong:
            return found
        given = set(self.initial_data) if isinstance(self.initial_data, dict) else set()
        return found + [
            (field, message)
            for field, message in problems(create_command(values, ""))
            if field.partition(".")[0] not in given & wrong
        ]


@_named("Command")
class VersionBody(Body):
    """The optional body of a command without arguments."""

    expected_version = _version()


class EmptyBody(Body):
    """Of a DELETE: whoever writes anything into one, a guard say, is told that nobody reads it."""


@_named("Switch")
class SwitchBody(Body):
    """The optional body of a switch."""

    next_participant_id = UUIDField(required=False, allow_null=True)
    current_participant_id = UUIDField(required=False, allow_null=True)
    expected_version = _version()


@_named("AddParticipant")
class AddParticipantBody(ParticipantBody):
    """One participant to add."""

    expected_version = _version()


@_named("AdjustTime")
class AdjustBody(Body):
    """Exactly one of `total_time_ms` (set), `adjust_ms` (move, either sign) and `user_id` (whose seat it is)."""

    total_time_ms = IntegerField(min_value=0, max_value=MAX_TIME_MS, required=False, allow_null=True)
    adjust_ms = IntegerField(min_value=-MAX_TIME_MS, max_value=MAX_TIME_MS, required=False, allow_null=True)
    user_id = NameField(
        required=False,
        allow_null=True,
        help_text=f"Whose seat it is from now on; null for nobody's, whatever the participant's id. {NAME_RULE}",
    )
    reason = TextField(required=False, allow_null=True, max_length=500)
    expected_version = _version()

    def cross_check(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        given = [name for name in ("total_time_ms", "adjust_ms") if values.get(name) is not None]
        given += ["user_id"] if "user_id" in values else []
        if len(given) == 1:
            return []
        present = set(self.initial_data) if isinstance(self.initial_data, dict) else set()
        if present & ({"total_time_ms", "adjust_ms", "user_id"} - set(values)):
            return []  # that one is wrong by itself
        return [("total_time_ms", "Give exactly one of total_time_ms, adjust_ms and user_id.")]


@_named("ReadSessions")
class BatchBody(Body):
    """Which sessions to read."""

    session_ids = ListField(child=UUIDField(), min_length=1, max_length=MAX_BATCH)


@_named("Ticket")
class TicketBody(Body):
    """Which session a ticket is for; it need not exist yet."""

    session_id = UUIDField()


@_named("SessionToken")
class SessionTokenBody(Body):
    """A role in a session; a participant's is for one seat."""

    role = serializers.ChoiceField(choices=[role.value for role in GRANTED])
    participant_id = UUIDField(required=False, allow_null=True, help_text="Of a participant, and of nobody else.")
    lifetime_ms = IntegerField(
        min_value=MIN_TIME_MS,
        max_value=LONGEST_MS,
        required=False,
        allow_null=True,
        help_text="How long the token is good; 12 hours when nothing is said.",
    )

    def cross_check(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        if "role" not in values:
            return []
        is_participant = values["role"] == Role.PARTICIPANT
        if is_participant == (values.get("participant_id") is not None):
            return []
        return [("participant_id", "Required for a participant." if is_participant else "Only for a participant.")]


def _seat(values: dict[str, Any]) -> commands.Seat:
    return commands.Seat(
        participant_id=values["participant_id"],
        total_time_ms=values["total_time_ms"],
        participant_index=values.get("participant_index"),
        group_id=values.get("group_id"),
        user_id=values.get("user_id"),
    )


def create_command(values: dict[str, Any], owner: str) -> commands.Create:
    """The creation that validated values ask for."""
    visibility = values.get("visibility") or conf().default_visibility
    return commands.Create(
        sync_mode=SyncMode(values["sync_mode"]),
        participants=tuple(_seat(item) for item in values.get("participants", ())),
        groups=tuple(commands.GroupBank(**item) for item in values.get("groups", ())),
        total_time_ms=values.get("total_time_ms"),
        time_per_cycle_ms=values.get("time_per_cycle_ms"),
        increment_ms=values.get("increment_ms") or 0,
        max_time_ms=values.get("max_time_ms"),
        auto_advance=values.get("auto_advance", False),
        action_on_timeout=values.get("action_on_timeout"),
        warning_thresholds_ms=tuple(values.get("warning_thresholds_ms", ())),
        start_at_ms=values.get("start_at"),
        active_participant_id=values.get("active_participant_id"),
        metadata=values.get("metadata"),
        access=Access(owner, Visibility(visibility), tuple(sorted(set(values.get("permissions", ()))))),
    )


def switch_command(values: dict[str, Any]) -> commands.Switch:
    """The switch that validated values ask for."""
    return commands.Switch(
        next_participant_id=values.get("next_participant_id"),
        current_participant_id=values.get("current_participant_id"),
        expected_version=values.get("expected_version"),
    )


def add_command(values: dict[str, Any]) -> commands.AddParticipant:
    """The addition that validated values ask for."""
    return commands.AddParticipant(_seat(values), values.get("expected_version"))


def adjust_command(participant_id: UUID, values: dict[str, Any]) -> commands.AdjustTime | commands.AssignSeat:
    """The adjustment, or the assignment of the seat, that validated values ask for."""
    if "user_id" in values:
        user_id = values["user_id"] or NO_PERSON
        return commands.AssignSeat(participant_id, user_id, values.get("reason"), values.get("expected_version"))
    return commands.AdjustTime(
        participant_id=participant_id,
        total_time_ms=values.get("total_time_ms"),
        adjust_ms=values.get("adjust_ms"),
        reason=values.get("reason"),
        expected_version=values.get("expected_version"),
    )
