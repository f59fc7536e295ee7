"""JSON Schemas (2020-12) of every frame and of every event in one, from the structs that are sent."""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, defstruct

from sessions import frames
from sessions.frames import CLIENT_FRAMES, SERVER_FRAMES
from sessions.requests.values import schema_hook
from sessions.schemas import InstantText, Milliseconds, SwitchView, Version
from synckairos.engine.events import EVENT_TYPES, Event, EventBase
from synckairos.http.openapi import REF, name_of, ref

Schema = dict[str, Any]

_EVENT_DESCRIPTIONS = {
    "session.created": "The session exists, with all that was asked for.",
    "session.started": "Its clock runs for the first time.",
    "session.paused": "Its clock stands.",
    "session.resumed": "Its clock runs again.",
    "session.completed": "It was ended.",
    "session.cancelled": "It was called off.",
    "session.abandoned": "Nothing had happened for so long that it was let go. Its status is `cancelled`.",
    "session.expired": "A clock that ran out has ended it.",
    "session.deleted": "It exists no more.",
    "cycle.switched": "A cycle has made way for the next, by command or (`on_timeout`) by the clock.",
    "participant.warned": "The time left has come down to a threshold.",
    "participant.expired": "A clock has run out; `action_applied` is what was done about it.",
    "participant.added": "Somebody has joined.",
    "participant.adjusted": "A bank was set by the owner or staff; `total_time_ms` is what it is afterwards.",
    "participant.assigned": "The owner or staff gave a seat to another person (`user_id`), or to nobody (empty).",
    "access.revoked": "A session token, or with `token_id` null all that were given out so far, is good no longer.",
}


def type_of(frame: type[Struct]) -> str:
    """Return the `type` of a frame."""
    return str(frame.__struct_config__.tag)


def schemas(*, strict: bool = False) -> dict[str, Schema]:
    """Return every schema by name, as components of the document.

    Schemas accept unknown fields, which clients ignore. With `strict` they accept documented fields only.
    """
    events = [_event(kind) for kind in EVENT_TYPES.values()]
    _, components = msgspec.json.schema_components(
        [*SERVER_FRAMES, *CLIENT_FRAMES, frames.AuthenticatedView, SwitchView, *events],
        schema_hook=schema_hook,
        ref_template=REF,
    )
    union: Schema = {
        "title": "Event",
        "description": "Something that has happened to a session.",
        "oneOf": [ref(event.__name__) for event in events],
    }
    return {name_of(name): _final(schema, strict=strict) for name, schema in {"Event": union, **components}.items()}


def _final(schema: Any, *, strict: bool) -> Any:
    """Return a copy of a schema with the document's names. It shares no parts with the original."""
    if isinstance(schema, list):
        return [_final(item, strict=strict) for item in schema]
    if not isinstance(schema, dict):
        return schema
    final = {key: _final(value, strict=strict) for key, value in schema.items()}
    if isinstance(final.get("description"), str):
        final["description"] = cleandoc(final["description"])
    if "$ref" in final:
        final.pop("type", None)
        final |= ref(name_of(final["$ref"].rpartition("/")[2]))
    if isinstance(final.get("title"), str):
        final["title"] = name_of(final["title"])
    if isinstance(final.get("enum"), list) and len(final["enum"]) == 1:
        (final["const"],) = final.pop("enum")
    if strict and isinstance(final.get("properties"), dict):
        final["additionalProperties"] = False
    return final


def _event(kind: type[Event]) -> type[Struct]:
    """Return the struct of an event as `present_event` shows it."""
    common = [("sequence", Annotated[int, Meta(ge=1)]), ("version", Version), ("at", InstantText)]
    own = [field for field in _fields(kind) if field[0] not in EventBase.__struct_fields__]
    described = {"__doc__": _EVENT_DESCRIPTIONS[kind.name]}
    return defstruct(f"{kind.__name__}Event", common + own, namespace=described, tag=kind.name, kw_only=True)


def _fields(kind: type[Struct]) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(name, _presented_type(name, hints[name])) for name in kind.__struct_fields__]


def _presented_type(name: str, hint: Any) -> Any:
    """Return the type of a field as clients see it: stored arrays are objects, and milliseconds are not negative."""
    if get_origin(hint) is tuple:
        return list[_presented_type(name, get_args(hint)[0])]  # type: ignore[misc]  # made at run time
    if isinstance(hint, type) and issubclass(hint, Struct):
        return _object(hint)
    if name.endswith("_ms"):
        return {int: Milliseconds, int | None: Milliseconds | None}[hint]
    return hint


@cache
def _object(stored: type[Struct]) -> type[Struct]:
    described = {"__doc__": stored.__doc__}
    return defstruct(f"Event{stored.__name__}", _fields(stored), namespace=described, kw_only=True)
