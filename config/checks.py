"""Checks of single values. Each raises marshmallow's ValidationError, which names what was expected."""

from __future__ import annotations

from ipaddress import ip_address

from marshmallow.exceptions import ValidationError as Unacceptable
from marshmallow.validate import OneOf, Range, Regexp

from synckairos.auth.names import is_name

POSITIVE = Range(min=0, min_inclusive=False)
NOT_EMPTY = Regexp(r"\s*\S", error="Must not be empty.")


def one_of(*allowed: str) -> OneOf:
    """Return a check that accepts one of these words."""
    return OneOf(allowed, error="Must be one of {choices}.")


def begins_names(value: str) -> None:
    """Accepts the beginning of a person's name."""
    if not is_name(f"{value}x"):
        raise Unacceptable("Must be something that a person's name may begin with.")


def address(value: str) -> None:
    """Accepts an address of this machine."""
    try:
        ip_address(value)
    except ValueError:
        raise Unacceptable("Expected an address such as 127.0.0.1, or 0.0.0.0 for all of this machine.") from None
