"""The kinds of faults in the audit, and how one is told."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Struct

UNREADABLE = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    *(RecursionError, RuntimeError, StopIteration, msgspec.MsgspecError),
)
"""Errors of a check on rows with values that no commit has."""


class Fault(StrEnum):
    """The kinds of faults in a chain."""

    ALTERED = "altered"
    """A row says something else than was committed."""
    MISSING = "missing"
    """A commit, an event or a whole session that the chain or a checkpoint has is not there."""
    REORDERED = "reordered"
    """Rows stand in each other's places."""
    TRUNCATED = "truncated"
    """The last rows are missing: the session's row or a checkpoint has a later version."""
    FORKED = "forked"
    """A commit follows another one than the row before it, or a checkpoint has another history."""


class Finding(Struct, frozen=True):
    """The first row that is wrong in a chain."""

    session_id: str
    epoch: str
    version: int
    """The version of the commit in question."""
    fault: Fault
    what: str

    def __str__(self) -> str:
        return f"{self.session_id} ({self.epoch}) version {self.version}: {self.fault}: {self.what}"


class Verified(Struct, frozen=True):
    """The result for one part of a session."""

    session: int
    """Primary key of the session's row."""
    events: int
    """Number of events whose chain was verified."""
    unchained: int
    """Number of events of releases before there was a chain."""
    finding: Finding | None
    waiting: int = 0
    """Number of commits that are not written yet, and wait in the outbox."""
    is_removed: bool = False
    """True for a session without a finding whose rows a prune has removed, or is removing."""


class Broken(Exception):
    """A chain is wrong at a commit."""

    def __init__(self, version: int, fault: Fault, what: str) -> None:
        super().__init__(what)
        self.version = version
        self.fault = fault
        self.what = what
