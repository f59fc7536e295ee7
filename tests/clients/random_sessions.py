"""Sessions of every kind for property tests: random time controls, owners of clocks, and commands.

The fields of a time control are read from its class, so a control that is added to the table is drawn too.
"""

from __future__ import annotations

from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from synckairos.engine import SyncMode, problems
from synckairos.engine import commands as cmd
from synckairos.engine.controls import CONTROLS, Control, TimeControl
from synckairos.engine.controls.base import MAX_COUNT
from synckairos.engine.controls.stages import Stages, Until
from synckairos.engine.controls.table import TABLE

BORN_MS = 1_893_456_000_000
"""The instant at which these sessions begin."""
PEOPLE = [UUID(int=number) for number in range(1, 6)]
TEAMS = [UUID(int=number) for number in range(101, 104)]
BANKED = (SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP)

BANKS = st.sampled_from([0, 1, 999, 1_000, 2_500, 4_000, 10_000])
STEPS = st.sampled_from([0, 1, 500, 999, 1_000, 1_500, 2_500]) | st.integers(0, 9_000)
ACTIONS = st.none() | st.sampled_from(["notify", "skip_cycle", "auto_action", "end_session"]).map(
    lambda name: {"type": name}
)


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Plain values of a field's type; numbers are small, so that clocks end soon."""
    match kind:
        case inspect.IntType():
            is_time = kind.le is None or kind.le > MAX_COUNT
            several = (700, 1_500, 4_000) if is_time else (1, 2, 3)
            return st.sampled_from([0, *several] if kind.ge == 0 else several)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.EnumType():
            return st.sampled_from([member.value for member in kind.cls if isinstance(member, Enum)])
        case inspect.UnionType():
            return st.one_of([values(one) for one in kind.types])
    raise NotImplementedError(kind)


def control_of(row: type[TimeControl]) -> st.SearchStrategy[dict[str, Any]]:
    """The object of one time control."""
    info = inspect.type_info(row)
    assert isinstance(info, inspect.StructType)
    fields = {field.name: values(field.type) for field in info.fields}
    return st.fixed_dictionaries({"type": st.just(info.tag), **fields})


@st.composite
def stages(draw: st.DrawFn) -> dict[str, Any]:
    """The object of a control with stages, each as the rules between its fields want it."""
    count, times = draw(st.integers(1, 3)), st.sampled_from([700, 1_500, 4_000])
    rows = [row for row in TABLE if not row.others_gain]
    made = []
    for position in range(count):
        ends_by_turns = draw(st.booleans())
        is_last = position == count - 1
        fitting = [row for row in rows if not row.has_phases or (is_last and not ends_by_turns)]
        control = {k: v for k, v in draw(control_of(draw(st.sampled_from(fitting)))).items() if k != "main_time_ms"}
        stage = {"time_ms": draw(times), "control": control, "carries_over": draw(st.booleans())}
        stage |= {"turns": draw(st.integers(1, 3))} if ends_by_turns else {}
        stage |= {"until": Until.TIME.value} if not ends_by_turns and not is_last else {}
        made.append(stage)
    return {"type": "stages", "stages": made}


def controls() -> st.SearchStrategy[TimeControl]:
    """Any time control that breaks no rule."""
    objects = st.sampled_from(CONTROLS).flatmap(lambda row: stages() if row is Stages else control_of(row))
    return objects.map(lambda made: msgspec.convert(made, Control)).filter(lambda control: not control.problems())


@st.composite
def creations(draw: st.DrawFn) -> cmd.Create:
    """Any creation that breaks no rule."""
    mode = draw(st.sampled_from([*BANKED * 3, *SyncMode]))
    control = draw(controls()) if mode in BANKED and draw(st.integers(0, 4)) else None
    others = controls().filter(lambda one: not one.others_gain)
    is_hourglass = control is not None and control.others_gain
    own = st.none() | others if mode in BANKED and not is_hourglass else st.none()
    fewest = 2 if is_hourglass else 0 if mode in {SyncMode.GLOBAL, SyncMode.COUNT_UP} else 1
    people = draw(st.lists(st.sampled_from(PEOPLE), unique=True, min_size=fewest, max_size=2 if is_hourglass else 4))
    is_grouped = mode is SyncMode.PER_GROUP
    teams = draw(st.lists(st.sampled_from(TEAMS), unique=True, min_size=2, max_size=2 if is_hourglass else 3))
    banks = {team: draw(BANKS) for team in teams}
    names_groups = draw(st.booleans())
    seats = []
    for place, person in enumerate(people):
        is_first_of_two = is_hourglass and not names_groups and place < 2
        team = None if not is_grouped else teams[place] if is_first_of_two else draw(st.sampled_from(teams))
        bank_ms = banks[team] if team else draw(BANKS)
        seats.append(cmd.Seat(person, bank_ms, 10 + 10 * place, team, None, None if is_grouped else draw(own)))
    groups = tuple(cmd.GroupBank(team, bank, draw(own) if is_grouped else None) for team, bank in banks.items())
    made = cmd.Create.of(
        mode,
        tuple(seats),
        groups if names_groups else (),
        total_time_ms=draw(st.integers(1_000, 30_000)),
        time_per_cycle_ms=draw(st.integers(1_000, 5_000)),
        increment_ms=draw(st.sampled_from([0, 700])) if mode in BANKED and control is None else 0,
        max_time_ms=draw(st.none() | st.integers(1_000, 30_000)),
        auto_advance=draw(st.booleans()),
        action_on_timeout=draw(ACTIONS),
        warning_thresholds_ms=tuple(draw(st.lists(st.sampled_from([1, 500, 1_000, 3_000]), max_size=2))),
        start_at_ms=draw(st.none() | st.integers(BORN_MS, BORN_MS + 6_000)),
        active_participant_id=draw(st.sampled_from(people)) if people and draw(st.booleans()) else None,
        time_control=control,
        compensates_lag=mode in BANKED and draw(st.booleans()),
    )
    assert problems(made) == []
    return made


BEFORE, AT_WORK, AT_REST = (
    [cmd.Start] * 6 + [cmd.AssignTurn, cmd.AdjustClock, cmd.AdjustTime, cmd.AddParticipant],
    [cmd.Switch] * 8
    + [cmd.Pause, cmd.AdjustClock, cmd.UndoSwitch, cmd.AssignTurn] * 2
    + [cmd.AdjustTime, cmd.AddParticipant, cmd.Complete],
    [cmd.Resume] * 4 + [cmd.AdjustClock, cmd.AssignTurn] * 2 + [cmd.AdjustTime, cmd.AddParticipant, cmd.Cancel],
)
FITTING = {"pending": BEFORE, "running": AT_WORK, "paused": AT_REST}


def commands(status: str) -> st.SearchStrategy[cmd.Command]:
    """A command that mostly fits a session of this status."""
    return st.sampled_from(FITTING.get(status, AT_WORK)).flatmap(_command_of)


def corrections() -> st.SearchStrategy[cmd.Command]:
    """A correction by an official."""
    return st.sampled_from([cmd.AdjustClock, cmd.AdjustClock, cmd.AdjustTime, cmd.AssignTurn]).flatmap(_command_of)


def _command_of(kind: type[cmd.Command]) -> st.SearchStrategy[Any]:
    somebody = st.sampled_from(PEOPLE)
    if kind is cmd.Switch:
        lags = st.none() | st.integers(0, 3_000)
        return st.builds(kind, st.none() | somebody, think_ms=lags, measured_ms=lags)
    if kind is cmd.AdjustClock:
        changes = st.fixed_dictionaries({"adjust_ms": st.integers(-5_000, 5_000)})
        changes |= st.sampled_from(["set_ms", "at_least_ms"]).flatmap(lambda name: st.fixed_dictionaries({name: BANKS}))
        return changes.map(lambda fields: kind(**fields))
    if kind is cmd.AdjustTime:
        return st.builds(kind, somebody, BANKS) | st.builds(kind, somebody, adjust_ms=st.integers(-5_000, 5_000))
    if kind is cmd.AssignTurn:
        return st.builds(kind, somebody)
    if kind is cmd.AddParticipant:
        team = st.sampled_from(TEAMS)
        return st.builds(kind, st.builds(cmd.Seat, somebody, BANKS, st.sampled_from([None, 5, 15, 60]), team))
    return st.builds(kind)
