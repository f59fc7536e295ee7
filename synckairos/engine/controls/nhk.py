"""NHK Cup: after the main time a fixed time for each turn, and a number of longer periods to draw on."""

from __future__ import annotations

from typing import ClassVar

from synckairos.engine.controls.base import Bank, Count, MainTimeControl, Progress, Time, in_phase
from synckairos.engine.units import Duration

TURN, EXTRA = "turn", "extra"


class Nhk(MainTimeControl, frozen=True, kw_only=True, tag="nhk"):
    """After the main time each turn has `turn_ms`; a longer turn uses up one or more of `periods` of `period_ms`."""

    has_phases: ClassVar[bool] = True

    turn_ms: Time
    periods: Count
    period_ms: Time

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        return Bank(main_ms, progress) if main_ms else self._turn(progress, self.periods)

    def after_end(self, progress: Progress) -> Bank | None:
        if progress.phase not in {TURN, EXTRA}:
            return self._turn(progress, self.periods)
        if not progress.periods:
            return None
        return Bank(self.period_ms, in_phase(progress, EXTRA, periods=progress.periods - 1))

    def renewed(self, bank: Bank) -> Bank:
        return self._turn(bank.progress, bank.progress.periods) if bank.progress.phase in {TURN, EXTRA} else bank

    def expected_ms(self, main_ms: Duration) -> Duration:
        return main_ms + 40 * self.turn_ms

    def _turn(self, progress: Progress, periods: int) -> Bank:
        return Bank(self.turn_ms, in_phase(progress, TURN, periods=periods))
