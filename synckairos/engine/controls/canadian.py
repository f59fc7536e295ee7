"""Canadian byo-yomi: after the main time, blocks of time in each of which so many turns must be finished."""

from __future__ import annotations

from typing import ClassVar

from synckairos.engine.controls.base import Bank, Count, MainTimeControl, Progress, Time, in_phase
from synckairos.engine.units import Duration

BLOCK = "block"


class Canadian(MainTimeControl, frozen=True, kw_only=True, tag="canadian"):
    """After the main time, `turns` must be finished in each block of `period_ms`; what a block has left is lost."""

    has_phases: ClassVar[bool] = True

    turns: Count
    period_ms: Time

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        return Bank(main_ms, progress) if main_ms else self._block(progress)

    def after_end(self, progress: Progress) -> Bank | None:
        return None if progress.phase == BLOCK else self._block(progress)

    def earned(self, bank: Bank, turn_ms: Duration) -> Bank:
        progress = bank.progress
        if progress.phase != BLOCK:
            return bank
        if progress.turns == 1:
            return self._block(progress)
        return Bank(bank.left_ms, in_phase(progress, BLOCK, turns=progress.turns - 1))

    def expected_ms(self, main_ms: Duration) -> Duration:
        return main_ms + 40 * self.period_ms // self.turns

    def _block(self, progress: Progress) -> Bank:
        return Bank(self.period_ms, in_phase(progress, BLOCK, turns=self.turns))
