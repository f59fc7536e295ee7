"""What the end of a connection means."""

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


class Verdict(Enum):
    """What to do next."""

    COME_BACK = auto()
    FRESH_TOKEN = auto()
    """Come back with other credentials."""
    DELETED = auto()
    """There is nothing to come back to."""
    REFUSED = auto()
    """Coming back would not help."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of one connection, or of one try to connect."""

    code: int
    """The WebSocket close code (1006 for a connection that broke), or the HTTP status of a refused handshake."""
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """What to do next."""
        if self == DELETED:
            return Verdict.DELETED
        if self.code == _POLICY or self.code in _FINAL or self.code in _REFUSED_HANDSHAKES:
            return Verdict.REFUSED
        if self.code == _CREDENTIALS_EXPIRED:
            return Verdict.FRESH_TOKEN
        return Verdict.COME_BACK

    @property
    def retry_s(self) -> float | None:
        """When the server would like to see us again, if it says so: `retry_ms=<n>` in the reason of a 1012."""
        found = _RETRY_MS.search(self.reason) if self.code == _RESTART else None
        return None if found is None else min(int(found[1]) / 1000, _LONGEST_HINT_S)


DELETED = Closing(1000, "Session deleted")
"""How the connections of a deleted session end."""
