"""Frames against the AsyncAPI document, in its strict form: a field that is not documented is wrong."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from sessions.apidocs.asyncapi import document


@cache
def validators() -> dict[str, Draft202012Validator]:
    """One for each type of frame, of both directions."""
    components = document(strict=True)["components"]
    return {
        name: Draft202012Validator(message["payload"] | {"components": components}, validate_formats=True)
        for name, message in components["messages"].items()
    }


def check(frame: dict[str, Any]) -> None:
    """Raises when a frame of the server is not documented as it is (some microseconds for each)."""
    assert frame.get("type") in validators(), f"no such frame in the document: {frame}"
    validators()[frame["type"]].validate(frame)
