"""Japanese byo-yomi: after the main time, periods of which only those are lost that a turn uses up."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from synckairos.engine.controls.base import MAX_BONUS_MS, Bank, Count, MainTimeControl, Progress, Time, in_phase
from synckairos.engine.units import Duration

BYO_YOMI = "byo_yomi"


class ByoYomi(MainTimeControl, frozen=True, kw_only=True, tag="byo_yomi"):
    """After the main time there are `periods` of `period_ms`: a turn that ends within a period begins it anew."""

    has_phases: ClassVar[bool] = True

    periods: Count
    period_ms: Time
    increment_ms: Annotated[int, Meta(ge=0, le=MAX_BONUS_MS)] = 0
    """The increment of a finished turn while main time is left (lishogi)."""

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        return Bank(main_ms, progress) if main_ms else self._in_period(progress, self.periods)

    def after_end(self, progress: Progress) -> Bank | None:
        left = progress.periods - 1 if progress.phase == BYO_YOMI else self.periods
        return self._in_period(progress, left) if left else None

    def earned(self, bank: Bank, turn_ms: Duration) -> Bank:
        if bank.progress.phase == BYO_YOMI:
            return bank
        return Bank(bank.left_ms + self.increment_ms, bank.progress)

    def renewed(self, bank: Bank) -> Bank:
        if bank.progress.phase != BYO_YOMI:
            return bank
        return Bank(max(bank.left_ms, self.period_ms), bank.progress)

    def expected_ms(self, main_ms: Duration) -> Duration:
        return main_ms + 40 * self.increment_ms + 25 * self.period_ms

    def _in_period(self, progress: Progress, left: int) -> Bank:
        return Bank(self.period_ms, in_phase(progress, BYO_YOMI, periods=left))
