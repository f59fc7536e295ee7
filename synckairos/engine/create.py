"""The creation of a session: the rules between its fields, and its first state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from uuid import UUID

from synckairos.engine.commands import Create, GroupBank
from synckairos.engine.controls.base import Problem
from synckairos.engine.deadlines import settle
from synckairos.engine.decide import MAX_PARTICIPANTS, SETTLE_LIMIT, Decision
from synckairos.engine.events import SessionCreated
from synckairos.engine.evolve import evolve
from synckairos.engine.pools import POOLS
from synckairos.engine.refusals import Problems
from synckairos.engine.seating import control_problems, group_of, participant_of
from synckairos.engine.state import NOBODY, Group, Participant
from synckairos.engine.units import Instant, SyncMode

_MAY_BE_EMPTY = frozenset({SyncMode.GLOBAL, SyncMode.COUNT_UP})


def problems(create: Create) -> list[Problem]:
    """Return every rule between fields that a creation breaks, as (field, message)."""
    found: list[Problem] = []
    if not create.participants and create.config.sync_mode not in _MAY_BE_EMPTY:
        found.append(("participants", f"At least 1 participant is required in {create.config.sync_mode} mode."))
    if len(create.participants) > MAX_PARTICIPANTS:
        found.append(("participants", f"At most {MAX_PARTICIPANTS} participants are allowed."))
    found += control_problems(create)
    seats = create.participants
    found += _duplicates("participant_id", [seat.participant_id for seat in seats])
    found += _duplicates("participant_index", _indexes(create))
    opener = create.active_participant_id
    if opener is not None and all(seat.participant_id != opener for seat in seats):
        found.append(("active_participant_id", "Not one of participants."))
    return found + POOLS[create.config.sync_mode].problems(create)


def create_session(create: Create, *, session_id: UUID, epoch: str, now: Instant) -> Decision:
    """Return the first state of a session, and the deadlines that are due: a start in the past, and what follows.

    Raises Problems, which names every broken rule.
    """
    found = problems(create)
    if found:
        raise Problems(found)
    groups = _groups(create)
    participants = _participants(create, groups)
    opening = next(
        (i for i, p in enumerate(participants) if p.participant_id == create.active_participant_id),
        0 if participants else NOBODY,
    )
    event = SessionCreated(
        sequence=1,
        version=1,
        at_ms=now,
        session_id=session_id,
        epoch=epoch,
        config=create.config,
        participants=participants,
        groups=groups,
        opening=opening,
        access=create.access,
    )
    created = evolve(None, event)
    state, late, following = settle(created, now, limit=SETTLE_LIMIT)
    return Decision(created, state, (event, *late), following, late=len(late))


def _indexes(create: Create) -> list[int]:
    """Return the index of each seat; a seat without one takes its place in the list."""
    return [
        place if seat.participant_index is None else seat.participant_index
        for place, seat in enumerate(create.participants)
    ]


def _participants(create: Create, groups: tuple[Group, ...]) -> tuple[Participant, ...]:
    by_id = {group.group_id: group for group in groups}
    seated = [
        participant_of(create.config, seat, index, by_id.get(seat.group_id) if seat.group_id else None)
        for index, seat in zip(_indexes(create), create.participants, strict=True)
    ]
    return tuple(sorted(seated, key=lambda p: p.participant_index))


def _groups(create: Create) -> tuple[Group, ...]:
    if create.groups:
        return tuple(group_of(create.config, group) for group in create.groups)
    if create.config.sync_mode is not SyncMode.PER_GROUP:
        return ()
    banks = {seat.group_id: seat.total_time_ms for seat in create.participants if seat.group_id is not None}
    return tuple(group_of(create.config, GroupBank(group_id, total_ms)) for group_id, total_ms in banks.items())


def _duplicates(field: str, values: Sequence[Hashable]) -> list[Problem]:
    counts = Counter(values)
    return [
        (f"participants.{position}.{field}", f"Duplicate {field}.")
        for position, value in enumerate(values)
        if counts[value] > 1
    ]
