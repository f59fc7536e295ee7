"""JSON Schemas (2020-12) of every frame and of every event in one, from the structs that are sent."""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, defstruct

from sessions import frames
from sessions.frames import CLIENT_FRAMES, SERVER_FRAMES
from sessions.presentation import InstantText, Milliseconds, SwitchView, Version
from sessions.requests.values import schema_hook
from synckairos.engine.events import EVENT_TYPES, Event, EventBase
from synckairos.http.openapi import name_of

Schema = dict[str, Any]

REF = "#/components/schemas/{name}"

_HAPPENED = {
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
    """Every schema by name, as components of the document.

    They are open: a client ignores fields it does not know. When `strict`, a field that is not documented is wrong.
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
        "oneOf": [{"$ref": REF.format(name=event.__name__)} for event in events],
    }
    return {name_of(name): _finished(schema, strict=strict) for name, schema in {"Event": union, **components}.items()}


def _finished(schema: Any, *, strict: bool) -> Any:
    """Shared parts are copied, so that a change to a document changes no other."""
    if isinstance(schema, list):
        return [_finished(item, strict=strict) for item in schema]
    if not isinstance(schema, dict):
        return schema
    finished = {key: _finished(value, strict=strict) for key, value in schema.items()}
    if isinstance(finished.get("description"), str):
        finished["description"] = cleandoc(finished["description"])
    if "$ref" in finished:
        finished.pop("type", None)
        finished["$ref"] = REF.format(name=name_of(finished["$ref"].rpartition("/")[2]))
    if isinstance(finished.get("title"), str):
        finished["title"] = name_of(finished["title"])
    if isinstance(finished.get("enum"), list) and len(finished["enum"]) == 1:
        (finished["const"],) = finished.pop("enum")
    if strict and isinstance(finished.get("properties"), dict):
        finished["additionalProperties"] = False
    return finished


def _event(kind: type[Event]) -> type[Struct]:
    """Return the schema of an event as `present_event` returns it."""
    common = [("sequence", Annotated[int, Meta(ge=1)]), ("version", Version), ("at", InstantText)]
    own = [field for field in _fields(kind) if field[0] not in EventBase.__struct_fields__]
    described = {"__doc__": _HAPPENED[kind.name]}
    return defstruct(f"{kind.__name__}Event", common + own, namespace=described, tag=kind.name, kw_only=True)


def _fields(kind: type[Struct]) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(name, _shown(name, hints[name])) for name in kind.__struct_fields__]


def _shown(name: str, hint: Any) -> Any:
    """The type of a field for people: stored arrays are objects with every field, milliseconds are not negative."""
    if get_origin(hint) is tuple:
        return list[_shown(name, get_args(hint)[0])]  # type: ignore[misc]  # made at run time
    if isinstance(hint, type) and issubclass(hint, Struct):
        return _object(hint)
    if name.endswith("_ms"):
        return {int: Milliseconds, int | None: Milliseconds | None}[hint]
    return hint


@cache
def _object(stored: type[Struct]) -> type[Struct]:
    described = {"__doc__": stored.__doc__}
    return defstruct(f"Event{stored.__name__}", _fields(stored), namespace=described, kw_only=True)
