"""Load as users make it: what a file of `scenarios/` says."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

_FOLDER = Path(__file__).with_name("scenarios")
NAMES = sorted(path.stem for path in _FOLDER.glob("*.toml"))


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """One use of the product."""

    title: str
    sessions: int
    participants: int
    """Of each session."""
    viewers: int
    """Sockets of each session besides the one that commands."""
    period_s: float
    at_s: list[float]
    """When in each period somebody switches. Every session has a phase of its own."""
    mode: str = "per_participant"
    seconds: float = 30.0

    @property
    def sockets(self) -> int:
        """Return the number of sockets that only look."""
        return self.sessions * self.viewers

    def moments(self, seconds: float) -> list[float]:
        """All instants at which a session is switched, in seconds from its start."""
        periods = range(int(seconds / self.period_s) + 1)
        every = (number * self.period_s + at_s for number in periods for at_s in self.at_s)
        return [moment for moment in every if moment < seconds]


def read(name: str) -> Scenario:
    """The scenario of this name."""
    return msgspec.toml.decode((_FOLDER / f"{name}.toml").read_bytes(), type=Scenario)
