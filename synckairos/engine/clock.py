"""The clock that runs: what a stretch of time drains from its bank.

A clock drains one millisecond for each millisecond after the lead-in of its turn, down to 0. Then the next phase of its
time control begins, or it has expired.
"""

from __future__ import annotations

from msgspec import Struct

from synckairos.engine.controls import Bank, TimeControl
from synckairos.engine.pools import POOLS
from synckairos.engine.pools.base import Pool
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Duration, Instant


class Clock(Struct, frozen=True):
    """The clock of the open cycle at the start of its running stretch (or at rest)."""

    pool: Pool
    control: TimeControl
    bank: Bank
    lead_in_ms: Duration
    """Time before the bank begins to drain."""

    def drained_ms(self, stretch_ms: Duration) -> Duration:
        """Return what a stretch takes from the bank; more than is in it if the clock ends earlier."""
        return stretch_ms - self.lead_in_ms if stretch_ms > self.lead_in_ms else 0

    def left_ms(self, stretch_ms: Duration) -> Duration:
        """Return what a stretch leaves in the bank."""
        left_ms = self.bank.left_ms - (stretch_ms - self.lead_in_ms if stretch_ms > self.lead_in_ms else 0)
        return max(0, left_ms)  # a call of max costs more than all the rest

    def over_ms(self, stretch_ms: Duration) -> Duration:
        """Return how far a stretch goes beyond the end of the clock."""
        return max(0, self.drained_ms(stretch_ms) - self.bank.left_ms)

    def gained_ms(self, stretch_ms: Duration) -> Duration:
        """Return what the other clock gains in a stretch (hourglass)."""
        return min(self.drained_ms(stretch_ms), self.bank.left_ms) if self.control.others_gain else 0

    def ends_ms(self, started_ms: Instant) -> Instant:
        """Return the instant at which nothing is left in the phase, for a stretch that began at `started_ms`."""
        return started_ms + self.lead_in_ms + self.bank.left_ms


def clock_of(state: State) -> Clock | None:
    """Return the clock that runs, or that runs next; None when nothing drains or no cycle is open."""
    pool, active = POOLS[state.config.sync_mode], state.active
    if active == NOBODY and not pool.is_common:
        return None
    bank = pool.bank(state, active)
    if bank is None:
        return None
    control = pool.control(state, active)
    lead_in_ms = control.lead_in_ms(bank.progress)
    return Clock(pool, control, bank, max(0, lead_in_ms - state.cycle.elapsed_ms) if lead_in_ms else 0)
