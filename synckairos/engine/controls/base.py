"""The interface of a time control: how a clock runs, as arithmetic on a small bank.

A new control is a file beside this one and a row in `table.py`. A control never sees the state of the session: the
pools (synckairos/engine/pools) say whose bank it is. Its fields are those of the object `time_control` in the API.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from synckairos.engine.units import MAX_TIME_MS, Duration

MAX_BONUS_MS = 3_600_000
"""Largest duration that each turn gives: an hour."""
MAX_COUNT = 1_000

Time: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_TIME_MS)]
"""A duration above 0, in milliseconds."""
Bonus: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_BONUS_MS)]
"""A duration that each turn gives, in milliseconds."""
Count: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
MainTime: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None
"""A duration that may be 0, in milliseconds; None when the control does not say."""

Problem: TypeAlias = tuple[str, str]
"""A broken rule: its field and its message."""


class Progress(Struct, frozen=True, array_like=True):
    """The position of an owner in its time control. It is stored, so a new field goes to the end."""

    phase: str = "main"
    """The name of the phase, for clients."""
    turns: int = 0
    """Turns that are left in the block (Canadian) or in the stage; 0 when turns are not counted."""
    periods: int = 0
    """Periods that are left, with the running one (byo-yomi)."""
    reserve_ms: Duration = 0
    """Time that this phase does not use and a later one will."""
    stage: int = 0
    """Position of the stage."""


MAIN = Progress()


class Bank(Struct, frozen=True):
    """The clock of one owner: the time left in the phase, and the progress in the time control."""

    left_ms: Duration
    progress: Progress = MAIN

    @property
    def kept_progress(self) -> Progress | None:
        """Return the progress as a state keeps it: None in the main time while nothing is counted."""
        return None if self.progress is MAIN or self.progress == MAIN else self.progress


class TimeControl(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """The defaults are those of a clock that runs down once and gives nothing back (sudden death)."""

    others_gain: ClassVar[bool] = False
    """True if what the clock of one owner loses, the other one gains; there are two owners then."""
    rewards_turns: ClassVar[bool] = True
    """True if a finished turn may leave more time than it would have without its end."""
    has_phases: ClassVar[bool] = False
    """True if there are other phases than the main time."""

    @property
    def main_ms(self) -> Duration | None:
        """Return the time that an owner begins with; None if the control does not say."""
        return None

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        """Return the bank with which the control begins for an owner of this main time, in a stage perhaps."""
        return Bank(main_ms, progress)

    def initial(self, main_ms: Duration) -> Bank:
        """Return the bank of an owner before the first turn."""
        return self.entered(main_ms, MAIN)

    def lead_in_ms(self, progress: Progress) -> Duration:
        """Return how long a turn lasts before its clock begins to drain."""
        return 0

    def after_end(self, progress: Progress) -> Bank | None:
        """Return the next phase when no time is left in this one; None when the clock has expired."""
        return None

    def earned(self, bank: Bank, turn_ms: Duration) -> Bank:
        """Return what a finished turn of this length leaves. `bank` is without the turn, and has not expired."""
        return bank

    def renewed(self, bank: Bank) -> Bank:
        """Return the bank for the next turn of the owner: a turn has ended, finished or not, and had not expired."""
        return bank

    def renews_after_expiry(self, progress: Progress) -> bool:
        """Return true if an expiry ends the turn only, and the owner has time again in the next one."""
        return False

    def penalty_points(self, bank: Bank) -> int:
        """Return the points that the owner has lost by overtime so far."""
        return 0

    def expected_ms(self, main_ms: Duration) -> Duration:
        """Return the time that an owner is expected to use in forty turns, which sizes the lag quota."""
        return main_ms

    def problems(self) -> list[Problem]:
        """Return the rules between fields that the control breaks."""
        return []


class MainTimeControl(TimeControl, frozen=True, kw_only=True):
    """A time control that begins with a main time."""

    main_time_ms: MainTime = None
    """The time that each owner of a clock begins with, unless it has a `total_time_ms` of its own."""

    @property
    def main_ms(self) -> Duration | None:
        return self.main_time_ms


def in_phase(
    progress: Progress, phase: str, *, turns: int | None = None, periods: int = 0, reserve_ms: int = 0
) -> Progress:
    """Return the progress in another phase of the same stage."""
    left = progress.turns if turns is None else turns
    return replace(progress, phase=phase, turns=left, periods=periods, reserve_ms=reserve_ms)
