"""Seats: participants and groups as requested become those of the state, each with the bank that it begins with."""

from __future__ import annotations

from msgspec.structs import replace

from synckairos.engine.commands import Create, GroupBank, Seat, main_ms
from synckairos.engine.controls import MAIN, Bank, TimeControl
from synckairos.engine.controls.base import Problem
from synckairos.engine.lag import open_account
from synckairos.engine.pools import POOLS
from synckairos.engine.state import Config, Group, Participant
from synckairos.engine.units import SyncMode

HOURGLASS_OWNERS = 2
REQUIRED = "This field is required."


def participant_of(config: Config, seat: Seat, index: int, group: Group | None) -> Participant:
    """Return a participant at the beginning; with a group, it shares the bank of that group."""
    participant = Participant(
        participant_id=seat.participant_id,
        participant_index=index,
        total_time_ms=main_ms(config, seat),
        group_id=seat.group_id,
        user_id=seat.user_id,
        time_control=seat.time_control,
    )
    if config.sync_mode is SyncMode.PER_GROUP and group is not None:
        participant = replace(
            participant, total_time_ms=group.total_time_ms, has_expired=group.has_expired, progress=group.progress
        )
    elif POOLS[config.sync_mode].has_banks:  # a newcomer's own group begins like the others
        bank = _first_bank(config, seat)
        participant = replace(participant, total_time_ms=bank.left_ms, progress=bank.kept_progress)
    if not config.compensates_lag:
        return participant
    if config.sync_mode is SyncMode.PER_GROUP and group is not None:
        control, time_ms = (
            group.time_control or config.control,
            group.total_time_ms + (group.progress or MAIN).reserve_ms,
        )
    else:
        control, time_ms = seat.time_control or config.control, main_ms(config, seat)
    return replace(participant, lag=open_account(control.expected_ms(time_ms)))


def group_of(config: Config, group: GroupBank) -> Group:
    """Return a group at the beginning."""
    bank = _first_bank(config, group) if config.sync_mode is SyncMode.PER_GROUP else Bank(main_ms(config, group))
    return Group(group.group_id, bank.left_ms, progress=bank.kept_progress, time_control=group.time_control)


def _first_bank(config: Config, owner: Seat | GroupBank) -> Bank:
    return (owner.time_control or config.control).initial(main_ms(config, owner))


def has_time(config: Config, owner: Seat | GroupBank) -> bool:
    """Return true if the owner of a clock has a time to begin with."""
    control = owner.time_control or config.time_control
    return owner.total_time_ms is not None or (control is not None and control.main_ms is not None)


def control_problems(create: Create) -> list[Problem]:
    """Return the rules about time controls and lag that a creation breaks."""
    config, pool = create.config, POOLS[create.config.sync_mode]
    found: list[Problem] = []
    if config.increment_ms and not pool.has_banks:
        found.append(("increment_ms", f"An increment has no meaning in {config.sync_mode} mode."))
    if config.increment_ms and config.time_control is not None:
        found.append(("increment_ms", "Give either increment_ms or time_control."))
    if config.compensates_lag and not pool.has_banks:
        found.append(("lag_compensation", f"No participant has a clock of its own in {config.sync_mode} mode."))
    owners: list[tuple[str, TimeControl | None, SyncMode | None]] = [("", config.time_control, None)]
    owners += [
        (f"participants.{i}.", s.time_control, SyncMode.PER_PARTICIPANT) for i, s in enumerate(create.participants)
    ]
    owners += [(f"groups.{i}.", group.time_control, SyncMode.PER_GROUP) for i, group in enumerate(create.groups)]
    for prefix, control, mode in owners:
        if control is not None:
            found += _problems_of(f"{prefix}time_control", control, mode, config)
    return found + _hourglass_problems(create) + _without_time(create)


def _problems_of(field: str, control: TimeControl, mode: SyncMode | None, config: Config) -> list[Problem]:
    if mode is not None and config.sync_mode is not mode:
        return [(field, f"Only in {mode} mode.")]
    unsuitable = POOLS[config.sync_mode].unsuitable(control)
    if unsuitable is not None:
        return [(field, unsuitable)]
    return [(f"{field}.{name}", message) for name, message in control.problems()]


def _hourglass_problems(create: Create) -> list[Problem]:
    config, owners = create.config, _clock_owners(create)
    controls = [owner.time_control or config.control for owner in owners]
    if not any(control.others_gain for control in [*controls, config.control]):
        return []
    if len(owners) == HOURGLASS_OWNERS and all(control.others_gain for control in controls):
        return []
    return [("time_control", "An hourglass is for two clocks, and for both of them.")]


def _clock_owners(create: Create) -> list[Seat] | list[GroupBank]:
    if create.config.sync_mode is not SyncMode.PER_GROUP:
        return list(create.participants)
    return list(create.groups) or [
        GroupBank(group_id, None) for group_id in {seat.group_id for seat in create.participants if seat.group_id}
    ]


def _without_time(create: Create) -> list[Problem]:
    config = create.config
    found = [
        (f"groups.{position}.total_time_ms", REQUIRED)
        for position, group in enumerate(create.groups)
        if not has_time(config, group)
    ]
    has_group_banks = config.sync_mode is SyncMode.PER_GROUP and bool(create.groups)
    return found + [
        (f"participants.{position}.total_time_ms", REQUIRED)
        for position, seat in enumerate(create.participants)
        if not has_time(config, seat) and not has_group_banks
    ]
