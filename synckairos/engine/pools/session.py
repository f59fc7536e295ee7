"""One bank for the whole session: counting down (`global`: exams, stages) or up (`count_up`: laps, speeches)."""

from __future__ import annotations

from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.controls import Bank
from synckairos.engine.controls.base import Problem
from synckairos.engine.pools.base import Pool
from synckairos.engine.state import State
from synckairos.engine.units import Duration


class _SessionPool(Pool):
    is_common = True

    def limit_ms(self, state: State) -> Duration | None:
        """Return the running time after which the clock of the session expires; None for never."""
        raise NotImplementedError

    def bank(self, state: State, position: int) -> Bank | None:
        limit_ms = self.limit_ms(state)
        return None if limit_ms is None else Bank(max(0, limit_ms + state.adjusted_ms - state.running_ms))

    def with_bank(self, state: State, position: int, bank: Bank) -> State:
        adjusted_ms = bank.left_ms + state.running_ms - (self.limit_ms(state) or 0)
        return replace(state, adjusted_ms=adjusted_ms, has_expired=state.has_expired and bank.left_ms == 0)

    def expire(self, state: State) -> State:
        return replace(state, has_expired=True)

    def clock_expired(self, state: State) -> bool:
        return state.has_expired

    def is_over(self, state: State) -> bool:
        return state.has_expired

    def shares_clock(self, state: State, one: int, other: int) -> bool:
        return True


class GlobalPool(_SessionPool):
    def limit_ms(self, state: State) -> Duration | None:
        return state.config.total_time_ms

    def problems(self, create: Create) -> list[Problem]:
        if create.total_time_ms is None:
            return [("total_time_ms", "This field is required in global mode.")]
        return []


class CountUpPool(_SessionPool):
    def limit_ms(self, state: State) -> Duration | None:
        return state.config.max_time_ms
