"""The field `time_control` of request bodies: an object, or a text in the notation of docs/clock.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sessions.requests.values import MIN_TIME_MS, FieldError, ParsedType, parsed_type
from synckairos.engine.commands import Seat
from synckairos.engine.controls import Control, TimeControl
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.stages import Stages
from synckairos.engine.notation import MAX_LENGTH, NotationError, parse, parse_sides
from synckairos.engine.units import Duration, SyncMode
from synckairos.http.openapi import ref

_NOTATION = {
    "type": "string",
    "format": "time-control",
    "minLength": 1,
    "maxLength": MAX_LENGTH,
    "description": "A time control in notation.",
}


class Sides(Struct, frozen=True):
    """One time control for each participant, in the order of their indexes (`300=600`)."""

    controls: tuple[TimeControl, ...]

    def problems(self, mode: SyncMode, count: int, increment_ms: Duration | None) -> list[tuple[str, str]]:
        """Return the rules that the controls break in a session of this mode, with so many participants."""
        found = []
        if mode is not SyncMode.PER_PARTICIPANT:
            found.append(("time_control", f"One time control for each side: only in {SyncMode.PER_PARTICIPANT} mode."))
        elif count != len(self.controls):
            found.append(("time_control", f"{len(self.controls)} time controls for {count} participants."))
        if increment_ms:
            found.append(("increment_ms", "Give either increment_ms or time_control."))
        return found

    def given_to(self, seats: Sequence[Seat]) -> tuple[Seat, ...]:
        """Return the seats, each with its time control unless it has one of its own."""
        order = sorted(range(len(seats)), key=lambda at: _index(seats[at], at))
        controls = dict(zip(order, self.controls, strict=False))
        return tuple(replace(seat, time_control=seat.time_control or controls.get(at)) for at, seat in enumerate(seats))


MAX_OWN_STAGES = 200
"""Most stages in all time controls of participants and groups together: each state that is sent has them."""


def turn_problems(field: str, control: TimeControl | Sides | None) -> list[tuple[str, str]]:
    """Return the message for a time control whose turns are too short: with `auto_advance` it expires by itself, turn
    after turn, like a cycle of `time_per_cycle_ms`."""
    if isinstance(control, Sides):
        return [problem for one in control.controls for problem in turn_problems(field, one)][:1]
    parts = [(field, control)]
    if isinstance(control, Stages):
        parts = [(f"{field}.stages.{position}.control", stage.control) for position, stage in enumerate(control.stages)]
    return [
        (f"{part}.time_ms", f"Ensure this value is greater than or equal to {MIN_TIME_MS}.")
        for part, one in parts
        if isinstance(one, PerTurn) and one.time_ms < MIN_TIME_MS
    ]


class Owner(Protocol):
    """A participant or a group as asked for."""

    @property
    def time_control(self) -> TimeControl | None: ...


def control_problems(given: TimeControl | Sides | None, **owners: Sequence[Owner]) -> list[tuple[str, str]]:
    """Return the bounds that the time controls of a creation exceed; `owners` are its lists, by their fields."""
    own = [
        (f"{name}.{place}.time_control", owner.time_control)
        for name, some in owners.items()
        for place, owner in enumerate(some)
        if owner.time_control is not None
    ]
    found = turn_problems("time_control", given) if given is not None else []
    for field, control in own:
        found += turn_problems(field, control)
    if sum(len(control.stages) for _, control in own if isinstance(control, Stages)) > MAX_OWN_STAGES:
        found.append(("participants", f"At most {MAX_OWN_STAGES} stages in all time controls together."))
    return found


def _index(seat: Seat, place: int) -> int:
    return place if seat.participant_index is None else seat.participant_index


def _parse_one(value: Any) -> TimeControl:
    if not isinstance(value, str):
        return _parse_object(value)
    try:
        return parse(value)
    except NotationError as error:
        raise FieldError(str(error)) from None


def _parse_sides(value: Any) -> TimeControl | Sides:
    if not isinstance(value, str):
        return _parse_object(value)
    try:
        controls = parse_sides(value)
    except NotationError as error:
        raise FieldError(str(error)) from None
    return controls[0] if len(controls) == 1 else Sides(controls)


def _parse_object(value: Any) -> TimeControl:
    """Return the control of an object. The slow path (reading.py) names what is wrong in one."""
    try:
        control: TimeControl = msgspec.convert(value, Control)
    except msgspec.ValidationError:
        raise FieldError("Expected an object, or a text in the notation of time controls.") from None
    return control


if TYPE_CHECKING:
    OneTimeControl: TypeAlias = TimeControl
    SessionTimeControl: TypeAlias = TimeControl | Sides
else:
    _schema = {"anyOf": [ref("TimeControl"), _NOTATION]}
    OneTimeControl: ParsedType = parsed_type("OneTimeControl", _parse_one, _schema, Control)
    SessionTimeControl: ParsedType = parsed_type("SessionTimeControl", _parse_sides, _schema, Control)
