"""Allowance and time bank: each turn has an allowance, and what it needs beyond comes from the bank (poker)."""

from __future__ import annotations

from typing import ClassVar

from synckairos.engine.controls.base import Bank, MainTimeControl, Progress, Time, in_phase
from synckairos.engine.units import Duration

ALLOWANCE, BANK = "allowance", "bank"


class TimeBank(MainTimeControl, frozen=True, kw_only=True, tag="time_bank"):
    """Each turn has `allowance_ms`; a longer one draws on the main time, which is the bank."""

    has_phases: ClassVar[bool] = True

    allowance_ms: Time

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        return Bank(self.allowance_ms, in_phase(progress, ALLOWANCE, reserve_ms=main_ms))

    def after_end(self, progress: Progress) -> Bank | None:
        if progress.phase != ALLOWANCE or not progress.reserve_ms:
            return None
        return Bank(progress.reserve_ms, in_phase(progress, BANK))

    def renewed(self, bank: Bank) -> Bank:
        in_bank_ms = bank.left_ms if bank.progress.phase == BANK else bank.progress.reserve_ms
        return self.entered(in_bank_ms, bank.progress)

    def expected_ms(self, main_ms: Duration) -> Duration:
        return main_ms + 40 * self.allowance_ms
