"""Types of values in request bodies and socket frames: each with its check, its error messages and its JSON schema.

Nothing is converted or trimmed: a value has the documented form, or it is refused. msgspec calls `parse` of a type
(`decode_hook`); the slow path (reading.py) calls it too, so both accept the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from synckairos import ids
from synckairos.auth import grants, names
from synckairos.auth.permissions import GRANTABLE
from synckairos.engine import MAX_TIME_MS
from synckairos.engine.units import Json, TimeoutAction
from synckairos.http.openapi import ref
from synckairos.instants import from_datetime
from synckairos.redis.store_clock import store_clock

MIN_TIME_MS = 1_000
MAX_INCREMENT_MS = 60_000
MAX_WARNINGS = 8
MAX_INDEX = 1_000_000
MAX_EVENTS = 500
"""Most events of one page."""
MAX_VERSION = 2**53
MAX_OBJECT_BYTES = 4096
_TOO_LARGE = f"At most {MAX_OBJECT_BYTES} bytes when encoded."
MAX_OBJECT_DEPTH = 100
"""Levels of nesting; far fewer than any reader of the stored form can follow."""
MAX_START_DELAY_MS = 36_525 * 86_400_000
"""Longest time from a creation to its scheduled start: a hundred years."""
UUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_YEARS = range(1971, 9999)


class FieldError(ValueError):
    """A value that a field does not accept. `part` is the name of the wrong part, if it is not the whole value."""

    def __init__(self, message: str, part: str = "") -> None:
        super().__init__(message)
        self.part = part


class ParsedType(type):
    """Class of types that msgspec does not know: `parse` returns a value, or raises FieldError."""

    parse: Callable[[Any], Any]
    schema: Json
    object_type: Any
    """The type of those values that are JSON objects, if the slow path is to name what is wrong in them."""

    def __instancecheck__(cls, value: Any) -> bool:
        """Return true: msgspec checks only values that `parse` has returned."""
        return True


def parsed_type(name: str, parse: Callable[[Any], Any], schema: Json, object_type: Any = None) -> ParsedType:
    """Return a type for fields whose values `parse` returns; it raises FieldError."""
    return ParsedType(name, (), {"parse": staticmethod(parse), "schema": schema, "object_type": object_type})


def decode_hook(kind: Any, value: Any) -> Any:
    """Return the value of a `ParsedType` for msgspec. Raises FieldError."""
    return kind.parse(value)


def schema_hook(kind: Any) -> Json:
    """Return the JSON schema of a `ParsedType` for msgspec."""
    return dict(kind.schema)


def _parse_uuid(value: Any) -> UUID:
    parsed = ids.parse_uuid(value) if isinstance(value, str) else None
    if parsed is None:
        raise FieldError("Must be a valid UUID.")
    return parsed


def text_problem(value: Any) -> str | None:
    """Return the message for a value that is no text, or blank; None for other text."""
    if not isinstance(value, str):
        return "Not a valid string."
    return None if value.strip() else "This field may not be blank."


def _parse_name(value: Any) -> str:
    if problem := text_problem(value):
        raise FieldError(problem)
    if not names.is_name(value):
        raise FieldError(f"Expected a name: {names.NAME_RULE}")
    return str(value)


def _parse_instant(value: Any) -> int:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise FieldError("Datetime has wrong format. Use one of these formats instead: ISO 8601.")
    if moment.tzinfo is None:
        raise FieldError("An instant must carry its offset from UTC, as in 2026-01-01T00:00:00.000Z.")
    if moment.year not in _YEARS:
        raise FieldError(f"The year must be from {_YEARS[0]} to {_YEARS[-1]}.")
    instant = from_datetime(moment)
    if instant > store_clock.now_ms() + MAX_START_DELAY_MS:
        raise FieldError("At most a hundred years ahead.")
    return instant


def _parse_object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise FieldError(f'Expected a dictionary of items but got type "{type(value).__name__}".')
    if problem := _object_problem(value):
        raise FieldError(problem)
    return value


def _parse_timeout_action(value: Any) -> Json:
    action = _parse_object(value)
    if action.get("type") not in list(TimeoutAction):  # a list can be searched for values without a hash
        raise FieldError(f"Must be one of: {', '.join(TimeoutAction)}.", "type")
    return action


def choice_problem(value: Any) -> str:
    """Return the message for a value that is none of the choices."""
    return f'"{value}" is not a valid choice.'


def _choice(name: str, choices: Iterable[Any]) -> ParsedType:
    by_value = {choice.value: choice for choice in choices}

    def parse(value: Any) -> Any:
        if not isinstance(value, str) or value not in by_value:
            raise FieldError(choice_problem(value))
        return by_value[value]

    return parsed_type(name, parse, ref(name))


def _object_problem(data: Json) -> str | None:
    """Return the message for an object that cannot be stored unchanged; None for other objects."""
    layer: list[Any] = [data]
    for _ in range(MAX_OBJECT_DEPTH):  # without recursion, which could not follow deep ones
        containers = [item for item in layer if isinstance(item, dict | list)]
        if sum(map(len, containers)) > MAX_OBJECT_BYTES // 2:
            return _TOO_LARGE  # each value takes two bytes at least; a large object is not encoded to learn that
        layer = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
        if not layer:
            break
    else:
        return f"At most {MAX_OBJECT_DEPTH} levels of nesting."
    encoded = msgspec.json.encode(data)
    try:
        msgspec.msgpack.encode(data)
    except OverflowError:
        return "Integers beyond 64 bits are not supported."
    return _TOO_LARGE if len(encoded) > MAX_OBJECT_BYTES else None


if TYPE_CHECKING:
    Uuid: TypeAlias = UUID
    Name: TypeAlias = str
    Instant: TypeAlias = int
    JsonObject: TypeAlias = Json
    TimeoutActionObject: TypeAlias = Json
    GrantedRole: TypeAlias = grants.Role
    Permission: TypeAlias = str
else:
    Uuid = parsed_type("Uuid", _parse_uuid, {"type": "string", "format": "uuid", "pattern": UUID_PATTERN})
    Name = parsed_type(
        "Name",
        _parse_name,
        {
            "type": "string",
            "format": "name",
            "minLength": 1,
            "maxLength": names.MAX_NAME_LENGTH,
            "pattern": names.NAME_PATTERN,
        },
    )
    Instant = parsed_type("Instant", _parse_instant, {"type": "string", "format": "date-time"})
    JsonObject = parsed_type("JsonObject", _parse_object, ref("JsonObject"))
    TimeoutActionObject = parsed_type("TimeoutAction", _parse_timeout_action, ref("TimeoutAction"))
    GrantedRole = _choice("Role", grants.GRANTED)
    Permission = _choice("Permission", GRANTABLE)

Duration: TypeAlias = Annotated[int, Meta(ge=MIN_TIME_MS, le=MAX_TIME_MS)]
Text: TypeAlias = Annotated[str, Meta(min_length=1, pattern=r"\S")]
"""A text that is not blank."""
Secret: TypeAlias = Annotated[Text, Meta(extra_json_schema={"writeOnly": True})]
Reason: TypeAlias = Annotated[Text, Meta(max_length=500)] | None
"""Why an official has done something, for the audit."""
ExpectedVersion: TypeAlias = Annotated[
    Annotated[int, Meta(ge=0, le=MAX_VERSION, extra_json_schema={"format": "int64"})] | None,
    Meta(description="Refused with CONFLICT (REST: 409) when the session is at another version."),
]
