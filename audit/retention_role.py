"""The role that may change and delete events and commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


@contextmanager
def retention() -> Iterator[None]:
    """Run a transaction in which events and commits may be changed and deleted."""
    with transaction.atomic():
        yield
