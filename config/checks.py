"""Checks of single values: each raises marshmallow's ValidationError, which says what was expected."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from marshmallow.exceptions import ValidationError as Unacceptable

from synckairos.auth.names import is_name


def one_of(*allowed: str) -> Callable[[str], None]:
    """One of these words."""

    def check(value: str) -> None:
        if value not in allowed:
            raise Unacceptable(f"Must be one of {', '.join(allowed)}.")

    return check


def not_empty(value: str) -> None:
    """More than spaces."""
    if not value.strip():
        raise Unacceptable("Must not be empty.")


def begins_names(value: str) -> None:
    """What a person's name may begin with."""
    if not is_name(f"{value}x"):
        raise Unacceptable("Must be something that a person's name may begin with.")


def positive(value: float) -> None:
    """A number above 0."""
    if value <= 0:
        raise Unacceptable("Must be greater than 0.")


def address(value: str) -> None:
    """An address of this machine."""
    try:
        ip_address(value)
    except ValueError:
        raise Unacceptable("Expected an address such as 127.0.0.1, or 0.0.0.0 for all of this machine.") from None
