"""Checks of single values. Each raises marshmallow's ValidationError, which names what was expected."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from marshmallow.exceptions import ValidationError as Unacceptable

from synckairos.auth.names import is_name


def one_of(*allowed: str) -> Callable[[str], None]:
    """Return a check that accepts one of these words."""

    def check(value: str) -> None:
        if value not in allowed:
            raise Unacceptable(f"Must be one of {', '.join(allowed)}.")

    return check


def not_empty(value: str) -> None:
    """Accepts a text with more than spaces."""
    if not value.strip():
        raise Unacceptable("Must not be empty.")


def begins_names(value: str) -> None:
    """Accepts the beginning of a person's name."""
    if not is_name(f"{value}x"):
        raise Unacceptable("Must be something that a person's name may begin with.")


def positive(value: float) -> None:
    """Accepts a number above 0."""
    if value <= 0:
        raise Unacceptable("Must be greater than 0.")


def address(value: str) -> None:
    """Accepts an address of this machine."""
    try:
        ip_address(value)
    except ValueError:
        raise Unacceptable("Expected an address such as 127.0.0.1, or 0.0.0.0 for all of this machine.") from None
