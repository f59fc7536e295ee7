"""Each participant has a bank of its own (chess, debates)."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from synckairos.engine.controls import MAIN, Bank, TimeControl
from synckairos.engine.pools.base import Banks, Pool, Stretch, with_item, with_participant
from synckairos.engine.state import NOBODY, Participant, State
from synckairos.engine.units import Duration


class ParticipantPool(Pool):
    """Banks of participants: `participants[].total_time_ms`."""

    has_banks = True

    def control(self, state: State, position: int) -> TimeControl:
        if position == NOBODY:
            return state.config.control
        return state.participants[position].time_control or state.config.control

    def bank(self, state: State, position: int) -> Bank | None:
        owner = state.participants[position]
        return Bank(owner.total_time_ms, owner.progress or MAIN)

    def seats_left_ms(self, state: State) -> list[Duration | None]:
        return [participant.total_time_ms for participant in state.participants]

    def charge(self, state: State, stretch: Stretch) -> Banks:
        active = state.active_participant
        if active is None or stretch.bank is None:
            return state.participants, state.groups
        used = replace(
            active,
            total_time_ms=stretch.bank.left_ms,
            time_used_ms=active.time_used_ms + stretch.used_ms,
            cycle_count=active.cycle_count + stretch.cycles,
            progress=stretch.bank.kept_progress,
            lag=active.lag if stretch.lag is None else stretch.lag,
        )
        participants = with_item(state.participants, state.active, used)
        if stretch.gained_ms:
            participants = _gained(participants, state.active, stretch.gained_ms)
        return participants, state.groups

    def with_bank(self, state: State, position: int, bank: Bank) -> State:
        owner = state.participants[position]
        expired = owner.has_expired and bank.left_ms == 0
        changed = replace(owner, total_time_ms=bank.left_ms, progress=bank.kept_progress, has_expired=expired)
        return with_participant(state, position, changed)

    def restored(self, state: State, position: int, participant: Participant, gained_ms: Duration) -> State:
        state = super().restored(state, position, participant, gained_ms)
        if not gained_ms:
            return state
        return replace(state, participants=_gained(state.participants, position, -gained_ms))

    def expire(self, state: State) -> State:
        active = state.active_participant
        if active is None:
            return state
        return with_participant(state, state.active, replace(active, has_expired=True))

    def clock_expired(self, state: State) -> bool:
        if state.active == NOBODY or not state.participants[state.active].has_expired:
            return False
        return state.cycle.has_expired or not self._renews(state, state.active)

    def is_out(self, state: State, position: int) -> bool:
        return state.participants[position].has_expired and not self._renews(state, position)

    def is_over(self, state: State) -> bool:
        return all(self.is_out(state, position) for position in range(len(state.participants)))

    def not_expired(self, state: State) -> list[UUID]:
        return [p.participant_id for p in state.participants if not p.has_expired]

    def unsuitable(self, control: TimeControl) -> str | None:
        return None

    def _renews(self, state: State, position: int) -> bool:
        owner = state.participants[position]
        return (owner.time_control or state.config.control).renews_after_expiry(owner.progress or MAIN)


def _gained(participants: tuple[Participant, ...], active: int, gained_ms: Duration) -> tuple[Participant, ...]:
    return tuple(
        p if position == active else replace(p, total_time_ms=p.total_time_ms + gained_ms)
        for position, p in enumerate(participants)
    )
