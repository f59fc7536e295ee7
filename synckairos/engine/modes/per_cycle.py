"""Every cycle begins with a fresh clock (quizzes, stand-ups, auctions)."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.modes.base import Mode, Problem, with_participant
from synckairos.engine.state import State
from synckairos.engine.units import Duration


class PerCycle(Mode):
    def left_ms(self, state: State) -> Duration | None:
        return max(0, (state.config.time_per_cycle_ms or 0) - state.cycle.elapsed_ms)

    def seat_left_ms(self, state: State, position: int) -> Duration | None:
        return state.config.time_per_cycle_ms

    def expire(self, state: State) -> State:
        active = state.active_participant
        if active is None:
            return state
        return with_participant(state, state.active, replace(active, has_expired=True))

    def clock_expired(self, state: State) -> bool:
        return state.cycle.has_expired

    def not_expired(self, state: State) -> list[UUID]:
        return [p.participant_id for p in state.participants if not p.has_expired]

    def problems(self, create: Create) -> list[Problem]:
        if create.config.time_per_cycle_ms is None:
            return [("time_per_cycle_ms", "This field is required in per_cycle mode.")]
        return []
