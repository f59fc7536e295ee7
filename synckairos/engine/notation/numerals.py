"""Numbers of the notation: durations in seconds with up to three decimals, counts, and the limits of both."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from msgspec import Struct
from msgspec.inspect import Field, IntType, StructType, UnionType, type_info
from msgspec.structs import fields as struct_fields

from synckairos.engine.notation.errors import NotationError
from synckairos.engine.notation.reader import COUNT, SECONDS, Token

_DECIMALS = 3


class Limits(NamedTuple):
    """The smallest and the largest value of a field."""

    least: int
    most: int


@cache
def limits(struct: type[Struct]) -> dict[str, Limits]:
    """Return the limits of each field of the class that is a number, as its type states them."""
    info = type_info(struct)
    fields = info.fields if isinstance(info, StructType) else ()
    return {field.name: found for field in fields if (found := _limits(field)) is not None}


@cache
def defaults(struct: type[Struct]) -> dict[str, object]:
    """Return the default of each field of the class, `msgspec.NODEFAULT` if it has none."""
    return {field.name: field.default for field in struct_fields(struct)}


def expectation(field: str) -> str:
    """Return the description of a number of this field, for errors."""
    return SECONDS if _is_duration(field) else COUNT


def value(field: str, token: Token, allowed: Limits) -> int:
    """Return the value of a number that was read: milliseconds if the field is a duration, else a count."""
    whole, point, decimals = token.text.partition(".")
    exact = _DECIMALS if _is_duration(field) else 0
    if not exact and point:
        raise NotationError(f'expected a whole number; found "{token.text}"', token.at)
    if len(decimals) > exact:
        raise NotationError("expected at most three decimals", token.at + len(whole) + 1 + exact)
    number = int(whole + decimals.ljust(exact, "0"))
    if not allowed.least <= number <= allowed.most:
        least, most = numeral(field, allowed.least), numeral(field, allowed.most)
        raise NotationError(f"expected {expectation(field)} from {least} to {most}", token.at)
    return number


def numeral(field: str, number: object) -> str:
    """Return the text of a value: seconds without needless zeros if the field is a duration, else the count."""
    if not isinstance(number, int) or not _is_duration(field):
        return str(number)
    seconds, ms = divmod(number, 1_000)
    return f"{seconds}.{ms:03}".rstrip("0") if ms else str(seconds)


def _is_duration(field: str) -> bool:
    return field.endswith("_ms")


def _limits(field: Field) -> Limits | None:
    kinds = field.type.types if isinstance(field.type, UnionType) else (field.type,)
    for kind in kinds:
        if isinstance(kind, IntType) and kind.ge is not None and kind.le is not None:
            return Limits(kind.ge, kind.le)
    return None
