"""The meaning of close codes, and of refused handshakes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

_RETRY_MS = re.compile(r"\bretry_ms=(\d{1,9})\b")
_LONGEST_HINT_S = 60.0
_POLICY, _RESTART = 1008, 1012
_CREDENTIALS_EXPIRED = 4401
_FINAL = range(4500, 4600)
_REFUSED_HANDSHAKES = {401, 403}


class CloseAction(Enum):
    """The reaction of the client to the end of a connection."""

    RECONNECT = auto()
    RENEW_TOKEN = auto()
    """Connect again with other credentials."""
    DELETED = auto()
    """The session was deleted: do not connect again."""
    REFUSED = auto()
    """Another attempt would be refused too."""


@dataclass(frozen=True, slots=True)
class CloseReason:
    """The end of one connection, or of one attempt to connect."""

    code: int
    """The WebSocket close code (1006 for a connection that broke), or the HTTP status of a refused handshake."""
    reason: str = ""

    @property
    def action(self) -> CloseAction:
        """Return the reaction of the client to it."""
        if self == DELETED:
            return CloseAction.DELETED
        if self.code == _POLICY or self.code in _FINAL or self.code in _REFUSED_HANDSHAKES:
            return CloseAction.REFUSED
        if self.code == _CREDENTIALS_EXPIRED:
            return CloseAction.RENEW_TOKEN
        return CloseAction.RECONNECT

    @property
    def retry_s(self) -> float | None:
        """Return the server's hint for the next attempt, `retry_ms=<n>` in the reason of a 1012, in seconds; else
        None."""
        found = _RETRY_MS.search(self.reason) if self.code == _RESTART else None
        return None if found is None else min(int(found[1]) / 1000, _LONGEST_HINT_S)


DELETED = CloseReason(1000, "Session deleted")
"""The end of the connections of a deleted session."""
