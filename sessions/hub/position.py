"""The position of a client in a session: the latest state that it has been given."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """Epoch and version of the state that a client has been given, or that is queued for it."""

    epoch: str | None
    version: int

    def is_before(self, epoch: str, version: int) -> bool:
        """Return whether that state is newer: a later version, or another session under the same id."""
        return epoch != self.epoch or version > self.version


NOWHERE = Position(None, 0)
