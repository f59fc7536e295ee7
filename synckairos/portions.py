"""Portions of many things, so that no single step takes all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def portions(items: Iterable[T], limit: int, weight: Callable[[T], int] = lambda _: 1) -> Iterator[list[T]]:
    """Yield the items in order, in lists whose weights add up to at most the limit. A heavier item is alone."""
    portion: list[T] = []
    total = 0
    for item in items:
        added = weight(item)
        if portion and total + added > limit:
            yield portion
            portion, total = [], 0
        portion.append(item)
        total += added
    if portion:
        yield portion
