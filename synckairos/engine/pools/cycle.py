"""Each cycle has a bank of its own, fresh when it begins (quizzes, stand-ups, auctions)."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.controls import Bank, TimeControl
from synckairos.engine.controls.base import Problem
from synckairos.engine.pools.base import Pool, with_participant
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Status


class CyclePool(Pool):
    """The bank of the open cycle: `time_per_cycle_ms` less what it has used."""

    def bank(self, state: State, position: int) -> Bank:
        cycle = state.cycle
        return Bank(max(0, (state.config.time_per_cycle_ms or 0) + cycle.adjusted_ms - cycle.elapsed_ms))

    def seats_left_ms(self, state: State) -> list[Duration | None]:
        seats: list[Duration | None] = [state.config.time_per_cycle_ms] * len(state.participants)
        if state.cycle.adjusted_ms and state.status is Status.PENDING:
            seats[state.opening] = self.bank(state, state.opening).left_ms
        return seats

    def with_bank(self, state: State, position: int, bank: Bank) -> State:
        cycle = state.cycle
        adjusted_ms = bank.left_ms + cycle.elapsed_ms - (state.config.time_per_cycle_ms or 0)
        expired = cycle.has_expired and bank.left_ms == 0
        state = replace(state, cycle=replace(cycle, adjusted_ms=adjusted_ms, has_expired=expired))
        active = state.active_participant
        if active is None or expired == active.has_expired or not cycle.has_expired:
            return state
        return with_participant(state, state.active, replace(active, has_expired=expired))

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

    def unsuitable(self, control: TimeControl) -> str | None:
        return "In per_cycle mode time_per_cycle_ms is the time control."
