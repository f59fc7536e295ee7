"""Simple delay (US Chess): the clock begins to drain some time after the turn begins."""

from __future__ import annotations

from synckairos.engine.controls.base import Bonus, MainTimeControl, Progress
from synckairos.engine.units import Duration


class Delay(MainTimeControl, frozen=True, kw_only=True, tag="delay"):
    """The bank begins to drain `delay_ms` after the turn has begun. Pauses do not renew the delay."""

    delay_ms: Bonus

    def lead_in_ms(self, progress: Progress) -> Duration:
        return self.delay_ms

    def expected_ms(self, main_ms: Duration) -> Duration:
        return main_ms + 40 * self.delay_ms
