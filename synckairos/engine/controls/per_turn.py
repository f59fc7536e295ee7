"""Fixed time per turn: each turn begins with the whole period, and what is left of it is lost."""

from __future__ import annotations

from synckairos.engine.controls.base import Bank, Progress, Time, TimeControl
from synckairos.engine.units import Duration


class PerTurn(TimeControl, frozen=True, kw_only=True, tag="per_turn"):
    """Each turn begins with `time_ms`. An expiry ends the turn only."""

    time_ms: Time

    @property
    def main_ms(self) -> Duration | None:
        return self.time_ms

    def entered(self, main_ms: Duration, progress: Progress) -> Bank:
        return Bank(self.time_ms, progress)

    def renewed(self, bank: Bank) -> Bank:
        return Bank(self.time_ms, bank.progress)

    def renews_after_expiry(self, progress: Progress) -> bool:
        return True

    def expected_ms(self, main_ms: Duration) -> Duration:
        return 40 * self.time_ms
