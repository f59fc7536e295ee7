"""Limits of the values of rows, for the checks before an insert."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeAlias

from django.db.models import CharField, IntegerField, Model

RowValues: TypeAlias = dict[str, Any]
"""Fields of one row; a JSON field is its text."""
Limits: TypeAlias = tuple[Callable[[RowValues], tuple[int, ...]], dict[str, int]]
"""Function that returns the numbers among the values of a row; and the lengths of its texts without choices."""

_LARGEST = 2**63 - 1
"""Largest value of a column. The encoding of entries has no numbers below the smallest."""


class Unfit(ValueError):
    """An entry with a value that no row can hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def limits_of(model: type[Model], names: tuple[str, ...]) -> Limits:
    """Return the limits of the values of a model."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]  # noqa: SLF001 - public in spite of its name
    numbers: Any = itemgetter(*(field.name for field in fields if isinstance(field, IntegerField)))
    texts: Any = {
        field.name: field.max_length for field in fields if isinstance(field, CharField) and not field.choices
    }
    return numbers, texts


def check(limits: Limits, values: RowValues) -> None:
    """Check the values of a row. Raises Unfit for a number beyond 64 bits, a text that is too long, and NUL, which
    PostgreSQL does not store."""
    numbers, texts = limits
    if max(numbers(values)) > _LARGEST:
        raise Unfit("a number is beyond 64 bits")
    for name, longest in texts.items():
        text = values[name]
        if text is not None and (len(text) > longest or "\0" in text):
            raise Unfit(f"{name} is too long or holds NUL")
