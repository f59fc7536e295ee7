"""The data of an event: its own fields as plain values, for clients and the audit, and the event of such data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, get_args, get_type_hints
from uuid import UUID

import msgspec
import msgspec.structs
from msgspec import Struct

from synckairos.engine.events import EVENT_TYPES, Event
from synckairos.engine.units import Instant

_COMMON = frozenset({"sequence", "version", "at_ms"})
_PLAIN = frozenset({int, str, bool})
_SCALARS = _PLAIN | {type(None), UUID}


def details(event: Event) -> dict[str, Any]:
    """Return the fields of an event without the common ones, as plain JSON values, structs as objects."""
    names, values_of = _own_fields(type(event))
    return {name: _as_json(value) for name, value in zip(names, values_of(event), strict=True)}


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of an event without the common ones, for an encoder that supports UUIDs.

    UUIDs are left as they are: their conversion to text would cost more than all the rest.
    """
    names, values_of = _own_fields(type(event))
    values = values_of(event)
    if not _SCALARS.issuperset(map(type, values)):
        values = [value if type(value) in _SCALARS else _as_json(value) for value in values]
    return dict(zip(names, values, strict=True))


@cache
def _own_fields(kind: type[Event]) -> tuple[tuple[str, ...], Callable[[Event], Sequence[Any]]]:
    """Return the names of an event type's own fields, and the function that returns their values."""
    names = tuple(field for field in kind.__struct_fields__ if field not in _COMMON)
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda event: [getattr(event, name) for name in names]


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
def _fields(kind: type[Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind)
