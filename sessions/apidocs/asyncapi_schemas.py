"""JSON Schemas (2020-12) of every frame and of every event in one, from the structs that are sent."""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct, defstruct

from sessions import frames
from sessions.apidocs import time_controls
from sessions.frames import CLIENT_FRAMES, SERVER_FRAMES
from sessions.requests.values import schema_hook
from sessions.schemas import ControlObject, InstantText, Milliseconds, SwitchView, Version
from synckairos.engine.events import EVENT_TYPES, Event, EventBase
from synckairos.http.docstrings import attribute_docstrings
from synckairos.http.openapi import described_components, name_of, ref

Schema = dict[str, Any]

_EVENT_DESCRIPTIONS = {
    "session.created": "The session exists, with all that was asked for.",
    "session.started": "Its clock runs for the first time.",
    "session.paused": "Its clock stands.",
    "session.resumed": "Its clock runs again.",
    "session.completed": "It was ended.",
    "session.cancelled": "It was called off.",
    "session.abandoned": "Nothing had happened for so long that it was let go. Its status is `cancelled`.",
    "session.restored": "The store had lost it, and it was put back from the audit, under a new `epoch` that continues"
    " the versions of `parent_epoch`. `policy` says whether the outage was charged to its clocks.",
    "session.expired": "A clock that ran out has ended it.",
    "session.deleted": "It exists no more.",
    "cycle.switched": "A cycle has made way for the next, by command or (`on_timeout`) by the clock.",
    "cycle.undone": "The last switch was taken back: the turn returned, and the time since the switch is its own.",
    "cycle.assigned": "The turn was given to a participant. The turn that this interrupted does not count as finished.",
    "clock.phase_changed": "No time was left in one phase of the time control, and the next phase began.",
    "clock.adjusted": "The clock that runs, or that runs next, was adjusted by `by_ms`; `left_ms` is what it has left.",
    "participant.warned": "The time left has come down to a threshold.",
    "participant.expired": "A clock has run out; `action_applied` is what was done about it.",
    "participant.added": "Somebody has joined.",
    "participant.adjusted": "A bank was set by the owner or staff; `total_time_ms` is what it is afterwards.",
    "participant.assigned": "The owner or staff gave a seat to another person (`user_id`), or to nobody (empty).",
    "access.granted": "A session token was given out, good until `until_ms`. It never holds the token itself.",
    "access.revoked": "A session token, or with `token_id` null all that were given out so far, is good no longer.",
}


_SIGNED = frozenset({"by_ms"})
"""Durations that may be negative."""


def type_of(frame: type[Struct]) -> str:
    """Return the `type` of a frame."""
    return str(frame.__struct_config__.tag)


def schemas(*, strict: bool = False) -> dict[str, Schema]:
    """Return every schema by name, as components of the document.

    Schemas accept unknown fields, which clients ignore. With `strict` they accept documented fields only.
    """
    events = [_event(kind) for kind in EVENT_TYPES.values()]
    components = described_components(
        [*SERVER_FRAMES, *CLIENT_FRAMES, frames.AuthenticatedView, SwitchView, *events], schema_hook
    )
    for name, schema in time_controls.components().items():
        components[name] = {"title": name, **schema}
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
        told = {"description": final["description"]} if "description" in final else {}
        return ref(name_of(final["$ref"].rpartition("/")[2])) | told
    final.pop("discriminator", None)  # an object in OpenAPI, a text in AsyncAPI
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
    hints, docstrings = get_type_hints(kind), attribute_docstrings(kind)
    presented = {name: _presented_type(name, hints[name]) for name in kind.__struct_fields__}
    return [
        (name, Annotated[hint, Meta(description=_in_json(docstrings[name]))] if name in docstrings else hint)
        for name, hint in presented.items()
    ]


def _in_json(docstring: str) -> str:
    """Return the docstring of a field with the names that clients see."""
    return docstring.replace("`at_ms`", "`at`")


def _presented_type(name: str, hint: Any) -> Any:
    """Return the type of a field as clients see it: stored arrays are objects, and milliseconds are not negative."""
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        return list[_presented_type(name, parts[0])]  # type: ignore[misc]  # made at run time
    if NoneType in parts:
        kinds = [part for part in parts if part is not NoneType]
        return (_presented_type(name, kinds[0]) if len(kinds) == 1 else ControlObject) | None  # the only union
    if isinstance(hint, type) and issubclass(hint, Struct):
        return _object(hint)
    return Milliseconds if hint is int and name.endswith("_ms") and name not in _SIGNED else hint


@cache
def _object(stored: type[Struct]) -> type[Struct]:
    described = {"__doc__": stored.__doc__}
    return defstruct(f"Event{stored.__name__}", _fields(stored), namespace=described, kw_only=True)
