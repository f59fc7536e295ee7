"""The shapes that travel. They are plain JSON objects: fields that this package does not know stay in them."""

from __future__ import annotations

import json
from typing import Any

State = dict[str, Any]
"""A whole session, as the protocol's State."""
Event = dict[str, Any]
"""One thing that happened, as the protocol's event; `epoch` is added."""
Frame = dict[str, Any]
"""One WebSocket message with its `type`."""


def encode(frame: Frame) -> str:
    """The text of a frame."""
    return json.dumps(frame, separators=(",", ":"))


def decode(text: str | bytes) -> Frame:
    """The frame of a text; an empty one, which nobody knows, for anything that is no JSON object."""
    try:
        frame = json.loads(text)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}
