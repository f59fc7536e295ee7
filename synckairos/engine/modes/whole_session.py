"""One clock for the whole session: counting down (`global`: exams, stages) or up (`count_up`: laps, speeches)."""

from __future__ import annotations

from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.modes.base import Mode, Problem
from synckairos.engine.state import State
from synckairos.engine.units import Duration


class _OneClock(Mode):
    is_common = True

    def limit_ms(self, state: State) -> Duration | None:
        """Return the running time after which the clock of the session expires; None for never."""
        raise NotImplementedError

    def left_ms(self, state: State) -> Duration | None:
        limit_ms = self.limit_ms(state)
        return None if limit_ms is None else max(0, limit_ms - state.running_ms)

    def seat_left_ms(self, state: State, position: int) -> Duration | None:
        return self.left_ms(state)

    def expire(self, state: State) -> State:
        return replace(state, has_expired=True)

    def clock_expired(self, state: State) -> bool:
        return state.has_expired

    def is_over(self, state: State) -> bool:
        return state.has_expired


class Global(_OneClock):
    def limit_ms(self, state: State) -> Duration | None:
        return state.config.total_time_ms

    def problems(self, create: Create) -> list[Problem]:
        if create.total_time_ms is None:
            return [("total_time_ms", "This field is required in global mode.")]
        return []


class CountUp(_OneClock):
    def limit_ms(self, state: State) -> Duration | None:
        return state.config.max_time_ms
