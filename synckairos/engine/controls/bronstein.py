"""Bronstein delay: a finished turn gets back what it has used, up to the delay."""

from __future__ import annotations

from synckairos.engine.controls.base import Bank, Bonus, MainTimeControl, Progress
from synckairos.engine.units import Duration


class Bronstein(MainTimeControl, frozen=True, kw_only=True, tag="bronstein"):
    """A finished turn gets back the time that it has used, at most `delay_ms`."""

    delay_ms: Bonus

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        # Without a main time the owner plays with the delay alone, and the clock shows it.
        return Bank(main_ms or self.delay_ms, progress)

    def earned(self, bank: Bank, turn_ms: Duration) -> Bank:
        return Bank(bank.left_ms + min(turn_ms, self.delay_ms), bank.progress)

    def expected_ms(self, main_ms: Duration) -> Duration:
        return main_ms + 40 * self.delay_ms
