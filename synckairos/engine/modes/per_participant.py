"""Each participant has a bank of its own (chess, debates)."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from synckairos.engine.modes.base import Banks, Mode, with_item, with_participant
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Duration


class PerParticipant(Mode):
    has_increment = True
    has_banks = True

    def left_ms(self, state: State) -> Duration | None:
        return None if state.active == NOBODY else state.participants[state.active].total_time_ms

    def seat_left_ms(self, state: State, position: int) -> Duration | None:
        return state.participants[position].total_time_ms

    def seats_left_ms(self, state: State) -> list[Duration | None]:
        return [participant.total_time_ms for participant in state.participants]

    def charge(self, state: State, stretch_ms: Duration, increment_ms: Duration, cycles: int) -> Banks:
        active = state.active_participant
        if active is None:
            return state.participants, state.groups
        used = replace(
            active,
            total_time_ms=max(0, active.total_time_ms - stretch_ms) + increment_ms,
            time_used_ms=active.time_used_ms + stretch_ms,
            cycle_count=active.cycle_count + cycles,
        )
        return with_item(state.participants, state.active, used), state.groups

    def with_bank(self, state: State, position: int, total_ms: Duration) -> State:
        owner = state.participants[position]
        changed = replace(owner, total_time_ms=total_ms, has_expired=owner.has_expired and total_ms == 0)
        return with_participant(state, position, changed)

    def expire(self, state: State) -> State:
        active = state.active_participant
        if active is None:
            return state
        return with_participant(state, state.active, replace(active, has_expired=True))

    def clock_expired(self, state: State) -> bool:
        return state.active != NOBODY and state.participants[state.active].has_expired

    def is_out(self, state: State, position: int) -> bool:
        return state.participants[position].has_expired

    def is_over(self, state: State) -> bool:
        return all(participant.has_expired for participant in state.participants)

    def not_expired(self, state: State) -> list[UUID]:
        return [p.participant_id for p in state.participants if not p.has_expired]
