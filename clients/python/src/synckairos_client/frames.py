"""The shapes of messages. They are plain JSON objects, which keep the fields that this package does not know."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

State = dict[str, Any]
"""A whole session, as the State of the protocol."""
Event = dict[str, Any]
"""One event of the protocol, with its `epoch` added."""
Frame = dict[str, Any]
"""One WebSocket message with its `type`."""


def encode(frame: Frame) -> str:
    """Return a frame as text."""
    return json.dumps(frame, separators=(",", ":"))


def decode(text: str | bytes) -> Frame:
    """Return the frame of a text; an empty one, which is ignored, if the text is no JSON object."""
    try:
        frame = json.loads(text)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are given: those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def text_of(identity: str | UUID | None) -> str | None:
    """Return an id as messages carry it."""
    return None if identity is None else str(identity)
