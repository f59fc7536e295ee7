"""Fischer: each finished turn earns an increment."""

from __future__ import annotations

from synckairos.engine.controls.base import MAIN, Bank, Bonus, MainTimeControl, Time
from synckairos.engine.units import Duration


class Fischer(MainTimeControl, frozen=True, kw_only=True, tag="fischer"):
    """Each finished turn earns `increment_ms`, up to `cap_ms` in the bank if that is given."""

    increment_ms: Bonus
    cap_ms: Time | None = None
    """Largest bank that an increment leads to (JGOF and the Online-Go server)."""
    increment_before_first_turn: bool = False
    """True: the owner begins with the main time and one increment (FIDE and US Chess rules)."""

    def initial(self, main_ms: Duration) -> Bank:
        return self.earned(Bank(main_ms), 0) if self.increment_before_first_turn else Bank(main_ms, MAIN)

    def earned(self, bank: Bank, turn_ms: Duration) -> Bank:
        left_ms = bank.left_ms + self.increment_ms
        return Bank(left_ms if self.cap_ms is None else min(left_ms, self.cap_ms), bank.progress)

    def expected_ms(self, main_ms: Duration) -> Duration:
        return main_ms + 40 * self.increment_ms
