"""Overtime with penalty: after the main time the clock runs on for a while, and each started minute costs points."""

from __future__ import annotations

from typing import ClassVar

from synckairos.engine.controls.base import Bank, Count, MainTimeControl, Progress, Time, in_phase
from synckairos.engine.units import Duration

OVERTIME = "overtime"


class Overtime(MainTimeControl, frozen=True, kw_only=True, tag="overtime"):
    """After the main time there are `max_overtime_ms` more; each started `penalty_period_ms` of them costs points."""

    has_phases: ClassVar[bool] = True
    rewards_turns: ClassVar[bool] = False

    max_overtime_ms: Time
    points_per_period: Count = 10
    penalty_period_ms: Time = 60_000

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        return Bank(main_ms, progress) if main_ms else self._overtime(progress)

    def after_end(self, progress: Progress) -> Bank | None:
        return None if progress.phase == OVERTIME else self._overtime(progress)

    def penalty_points(self, bank: Bank) -> int:
        if bank.progress.phase != OVERTIME:
            return 0
        used_ms = max(0, self.max_overtime_ms - bank.left_ms)
        return self.points_per_period * -(-used_ms // self.penalty_period_ms)

    def _overtime(self, progress: Progress) -> Bank:
        return Bank(self.max_overtime_ms, in_phase(progress, OVERTIME))
