"""Time controls: how a clock runs (docs/clock.md)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias, Union

from synckairos.engine.controls.base import MAIN, Bank, Progress, TimeControl
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.stages import Stages
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.table import TABLE
from synckairos.engine.units import Duration

CONTROLS = (*TABLE, Stages)

if TYPE_CHECKING:
    Control: TypeAlias = TimeControl
else:
    Control = Union[CONTROLS]  # noqa: UP007 - made from the table

SUDDEN_DEATH = SuddenDeath()


@cache
def fischer(increment_ms: Duration) -> TimeControl:
    """Return the control for which `increment_ms` is short."""
    return Fischer(increment_ms=increment_ms)


@cache
def per_turn(time_ms: Duration) -> TimeControl:
    """Return the control for which `time_per_cycle_ms` is short."""
    return PerTurn(time_ms=time_ms)


__all__ = [
    "CONTROLS",
    "MAIN",
    "SUDDEN_DEATH",
    "Bank",
    "Control",
    "Progress",
    "TimeControl",
    "fischer",
    "per_turn",
]
