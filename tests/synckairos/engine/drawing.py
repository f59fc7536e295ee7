"""Random sessions and commands, as strategies of hypothesis, for the laws (test_engine_laws.py)."""

from uuid import UUID

from hypothesis import strategies as st
from msgspec.structs import fields

from synckairos.engine import SyncMode, problems
from synckairos.engine import commands as cmd
from synckairos.engine.controls.bronstein import Bronstein
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.stages import Stage, Stages, Until
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.table import TABLE
from synckairos.engine.controls.time_bank import TimeBank

PEOPLE = [UUID(int=number) for number in range(1, 6)]
TEAMS = [UUID(int=number) for number in range(101, 103)]
STRANGER = UUID(int=999)

BANKS = st.sampled_from([0, 1, 1_000, 2_500, 4_000, 10_000, 20_000])
STEPS = st.sampled_from([0, 0, 1, 500, 999, 1_000, 1_500, 2_500]) | st.integers(0, 9_000)
SOMEBODY = st.sampled_from([*PEOPLE, STRANGER])
ACTIONS = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["notify", "notify", "skip_cycle", "skip_cycle", "auto_action", "end_session"])},
    optional={"penalty": st.just({"points": [-1, None]}), "action": st.just("fold")},
)
SHORT = st.sampled_from([300, 500, 1_000, 2_500])
FEW = st.integers(1, 3)


def drawn(kind):
    """Any control of a class, from the names of the fields that it must have."""
    required = [field.name for field in fields(kind) if field.required]
    return st.builds(kind, **{name: SHORT if name.endswith("_ms") else FEW for name in required})


DRAWN_APART = {SuddenDeath, Fischer, Bronstein, Delay, PerTurn, TimeBank, ByoYomi, Canadian, Hourglass, Overtime}
OTHERS = [kind for kind in TABLE if kind not in DRAWN_APART]
"""Controls that were added later; the laws hold for them too."""
WITHOUT_PHASES = st.one_of(
    *[drawn(kind) for kind in OTHERS if not kind.has_phases],
    st.builds(SuddenDeath),
    st.builds(
        Fischer,
        increment_ms=SHORT,
        cap_ms=st.none() | st.integers(1, 12_000),
        increment_before_first_turn=st.booleans(),
    ),
    st.builds(Bronstein, delay_ms=SHORT),
    st.builds(Delay, delay_ms=SHORT),
    st.builds(PerTurn, time_ms=SHORT),
)
WITH_PHASES = st.one_of(
    *[drawn(kind) for kind in OTHERS if kind.has_phases],
    st.builds(TimeBank, allowance_ms=SHORT),
    st.builds(ByoYomi, periods=FEW, period_ms=SHORT, increment_ms=st.sampled_from([0, 400])),
    st.builds(Canadian, turns=FEW, period_ms=SHORT),
    st.builds(Overtime, max_overtime_ms=SHORT, penalty_period_ms=st.sampled_from([100, 1_000])),
)
EARLIER_STAGES = st.builds(
    Stage, time_ms=SHORT, turns=FEW, control=WITHOUT_PHASES, carries_over=st.booleans()
) | st.builds(Stage, time_ms=SHORT, until=st.just(Until.TIME), control=WITHOUT_PHASES, carries_over=st.booleans())
LAST_STAGES = st.builds(Stage, time_ms=SHORT, turns=st.none() | FEW, control=WITHOUT_PHASES) | st.builds(
    Stage, time_ms=SHORT, control=WITH_PHASES
)
STAGES = st.builds(
    lambda earlier, last: Stages(stages=(*earlier, last)), st.lists(EARLIER_STAGES, max_size=2), LAST_STAGES
)
CONTROLS = st.one_of(WITHOUT_PHASES, WITH_PHASES, STAGES)


def is_common(mode):
    return mode in {SyncMode.GLOBAL, SyncMode.COUNT_UP}


@st.composite
def creations(draw):
    """Any creation that breaks no rule."""
    mode = draw(st.sampled_from([*SyncMode, *[SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP] * 2]))
    people = draw(st.lists(st.sampled_from(PEOPLE), unique=True, min_size=0 if is_common(mode) else 1, max_size=4))
    teams = {team: draw(BANKS) for team in TEAMS} if mode is SyncMode.PER_GROUP else {}
    seats = []
    own = st.none() | CONTROLS
    for place, person in enumerate(draw(st.permutations(people))):
        team = draw(st.sampled_from(TEAMS)) if teams else None
        bank_ms = teams[team] if teams else draw(BANKS)
        control = draw(own) if mode is SyncMode.PER_PARTICIPANT else None
        seats.append(cmd.Seat(person, bank_ms, 10 + 10 * place, team, time_control=control))
    groups = [cmd.GroupBank(*item, draw(own)) for item in teams.items()] if draw(st.booleans()) else []
    has_banks = mode in {SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP}
    control = draw(own) if has_banks else None
    if len(groups or (teams and {seat.group_id for seat in seats}) or (has_banks and seats) or ()) == 2 and draw(
        st.booleans()
    ):
        control = Hourglass()
        seats = [cmd.Seat(s.participant_id, s.total_time_ms, s.participant_index, s.group_id) for s in seats]
        groups = [cmd.GroupBank(group.group_id, group.total_time_ms) for group in groups]
    made = cmd.Create.of(
        sync_mode=mode,
        participants=tuple(seats),
        groups=tuple(groups),
        total_time_ms=draw(st.integers(1_000, 30_000)),
        time_per_cycle_ms=draw(st.integers(1_000, 5_000)),
        increment_ms=0 if control is not None or not has_banks else draw(st.sampled_from([0, 700])),
        max_time_ms=draw(st.none() | st.integers(1_000, 30_000)),
        auto_advance=draw(st.booleans()),
        action_on_timeout=draw(ACTIONS),
        warning_thresholds_ms=tuple(draw(st.lists(st.sampled_from([0, 1, 500, 1_000, 3_000]), max_size=3))),
        start_at_ms=draw(st.none() | st.integers(0, 6_000)),
        active_participant_id=draw(st.sampled_from(people)) if people and draw(st.booleans()) else None,
        time_control=control,
        compensates_lag=has_banks and draw(st.booleans()),
    )
    assert problems(made) == []
    return made


ENDS = (cmd.Complete, cmd.Cancel, cmd.Delete)
ADJUSTMENTS = [cmd.AdjustTime] * 2 + [cmd.AdjustClock] * 2
FITTING = {
    "pending": [cmd.Start] * 9 + [cmd.AddParticipant, cmd.AssignTurn, cmd.AdjustTime, cmd.AdjustClock],
    "running": [cmd.Switch] * 7 + [cmd.UndoSwitch] * 3 + [cmd.Pause] * 3 + ADJUSTMENTS + [cmd.AssignTurn],
    "paused": [cmd.Resume] * 6 + ADJUSTMENTS + [cmd.AddParticipant, cmd.AssignTurn],
}
FITTING["running"] += [cmd.AddParticipant, cmd.GrantAccess]
ANYTHING = [cmd.Start, cmd.Pause, cmd.Resume, cmd.Switch, cmd.UndoSwitch, cmd.AssignTurn, cmd.AddParticipant]
ANYTHING += [*ADJUSTMENTS, cmd.AssignSeat, cmd.GrantAccess, cmd.RevokeAccess, *ENDS]

HASTE = st.lists(STEPS, min_size=1, max_size=4)
"""The times before each of several commands."""

MAY_CHANGE_NOTHING = (cmd.AssignSeat, cmd.AssignTurn, cmd.AdjustClock)
"""A seat may be that person's already, a turn that participant's, and a clock may have enough time."""


def some_command(data, state):
    """A command that mostly fits the moment; now and then it does not, and is refused."""
    is_odd = data.draw(st.integers(0, 19), label="oddity") == 0
    kinds = ANYTHING if is_odd else FITTING.get(state.status, ANYTHING)
    seated = [seat.participant_id for seat in state.participants]
    people = [*PEOPLE, STRANGER] if is_odd or not seated else seated
    return data.draw(command_of(data.draw(st.sampled_from(kinds)), people))


REASONS = st.none() | st.just("late")
VERSIONS = st.sampled_from([None] * 9 + [3])


def command_of(kind, people):  # noqa: PLR0911 - one arm for each kind of command
    somebody = st.sampled_from(people)
    match kind:
        case cmd.Switch:
            seldom = st.one_of(*[st.none()] * 4, somebody)
            seats = st.one_of(*[st.none()] * 4, st.frozensets(somebody, min_size=1))
            lag = st.none() | st.sampled_from([0, 100, 900, 3_000])
            return st.builds(kind, st.none() | somebody, seldom, VERSIONS, lag, seats, lag)
        case cmd.GrantAccess:
            return st.builds(kind, st.just("participant"), st.just("t-1"), st.integers(1, 9_000), somebody, VERSIONS)
        case cmd.RevokeAccess:
            return st.builds(kind, st.integers(1, 3_000), st.none(), VERSIONS)
        case cmd.AddParticipant:
            newcomer, index = st.sampled_from(PEOPLE), st.sampled_from([None, 0, 1, 15, 25, 60])
            control = st.one_of(*[st.none()] * 4, CONTROLS)
            team = st.sampled_from([*TEAMS, UUID(int=103)])
            return st.builds(kind, st.builds(cmd.Seat, newcomer, BANKS, index, team, st.none(), control), VERSIONS)
        case cmd.AssignSeat:
            return st.builds(kind, somebody, st.sampled_from(["", "u-1", "u-2"]), st.none(), VERSIONS)
        case cmd.AssignTurn:
            return st.builds(kind, somebody, REASONS, VERSIONS)
        case cmd.AdjustTime:
            return st.builds(kind, somebody, BANKS, st.none(), REASONS, VERSIONS) | st.builds(
                kind, somebody, st.none(), st.integers(-5_000, 5_000), REASONS, VERSIONS
            )
        case cmd.AdjustClock:
            nothing, by = st.none(), st.integers(-5_000, 5_000)
            given = [(by, nothing, nothing), (nothing, BANKS, nothing), (nothing, nothing, BANKS), (by, BANKS, nothing)]
            return st.one_of(*(st.builds(kind, *one, REASONS, VERSIONS) for one in given))
        case cmd.UndoSwitch:
            return st.builds(kind, REASONS, VERSIONS)
    return st.builds(kind, VERSIONS)
