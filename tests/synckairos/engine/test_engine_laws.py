"""Laws that hold for every session, whatever is asked of it and whenever: random sessions, commands and instants."""

import json
from itertools import groupby
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from synckairos.engine import (
    State,
    SyncMode,
    abandon,
    create_session,
    decide,
    is_idle,
    next_deadline,
    observe,
    problems,
    read,
    replay,
)
from synckairos.engine import commands as cmd
from synckairos.engine import events as ev
from synckairos.engine.reading import seats_left_ms
from synckairos.engine.refusals import Refusal

PEOPLE = [UUID(int=number) for number in range(1, 6)]
TEAMS = [UUID(int=number) for number in range(101, 103)]
STRANGER = UUID(int=999)
PACK = msgspec.msgpack.Encoder(uuid_format="bytes")

BANKS = st.sampled_from([0, 1, 999, 1_000, 2_500, 4_000, 10_000])
STEPS = st.sampled_from([0, 0, 1, 500, 999, 1_000, 1_500, 2_500]) | st.integers(0, 9_000)
SOMEBODY = st.sampled_from([*PEOPLE, STRANGER])
ACTIONS = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["notify", "skip_cycle", "auto_action", "end_session"])},
    optional={"penalty": st.just({"points": [-1, None]}), "action": st.just("fold")},
)


@st.composite
def creations(draw):
    """Any creation that breaks no rule."""
    mode = draw(st.sampled_from([*SyncMode, SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP]))
    people = draw(st.lists(st.sampled_from(PEOPLE), unique=True, min_size=0 if is_common(mode) else 1, max_size=4))
    teams = {team: draw(BANKS) for team in TEAMS} if mode is SyncMode.PER_GROUP else {}
    seats = []
    for place, person in enumerate(draw(st.permutations(people))):
        team = draw(st.sampled_from(TEAMS)) if teams else None
        bank_ms = teams[team] if teams else draw(BANKS)
        seats.append(cmd.Seat(person, bank_ms, 10 + 10 * place, team))
    made = cmd.Create.of(
        sync_mode=mode,
        participants=tuple(seats),
        groups=tuple(cmd.GroupBank(*item) for item in teams.items()) if draw(st.booleans()) else (),
        total_time_ms=draw(st.integers(1_000, 30_000)),
        time_per_cycle_ms=draw(st.integers(1_000, 5_000)),
        increment_ms=0 if mode is SyncMode.PER_CYCLE or is_common(mode) else draw(st.sampled_from([0, 700])),
        max_time_ms=draw(st.none() | st.integers(1_000, 30_000)),
        auto_advance=draw(st.booleans()),
        action_on_timeout=draw(ACTIONS),
        warning_thresholds_ms=tuple(draw(st.lists(st.sampled_from([0, 1, 500, 1_000, 3_000]), max_size=3))),
        start_at_ms=draw(st.none() | st.integers(0, 6_000)),
        active_participant_id=draw(st.sampled_from(people)) if people and draw(st.booleans()) else None,
    )
    assert problems(made) == []
    return made


def is_common(mode):
    return mode in {SyncMode.GLOBAL, SyncMode.COUNT_UP}


ENDS = (cmd.Complete, cmd.Cancel, cmd.Delete)
FITTING = {
    "pending": [cmd.Start] * 8 + [cmd.AddParticipant, cmd.AdjustTime],
    "running": [cmd.Switch] * 5 + [cmd.Pause] * 3 + [cmd.AdjustTime] * 3 + [cmd.AddParticipant] * 2,
    "paused": [cmd.Resume] * 5 + [cmd.AdjustTime] * 3 + [cmd.AddParticipant],
}
ANYTHING = [cmd.Start, cmd.Pause, cmd.Resume, cmd.Switch, cmd.AddParticipant, cmd.AdjustTime, cmd.RevokeAccess]
ANYTHING += [cmd.AssignSeat, *ENDS]


def some_command(data, state):
    """A command that mostly fits the moment; now and then it does not, and is refused."""
    odd = data.draw(st.integers(0, 9), label="oddity")
    kinds = FITTING.get(state.status, ANYTHING) if odd else ANYTHING
    seated = [seat.participant_id for seat in state.participants]
    return data.draw(command_of(data.draw(st.sampled_from(kinds)), seated if odd and seated else [*PEOPLE, STRANGER]))


def command_of(kind, people):
    somebody = st.sampled_from(people)
    version = st.sampled_from([None] * 9 + [3])
    if kind is cmd.Switch:
        claim = st.one_of(*[st.none()] * 4, somebody)
        seats = st.one_of(*[st.none()] * 4, st.frozensets(somebody, min_size=1))
        return st.builds(kind, st.none() | somebody, claim, version, seats)
    if kind is cmd.RevokeAccess:
        return st.builds(kind, st.integers(1, 3_000), st.none(), version)
    if kind is cmd.AddParticipant:
        newcomer, index = st.sampled_from(PEOPLE), st.sampled_from([None, 0, 1, 15, 25, 60])
        return st.builds(kind, st.builds(cmd.Seat, newcomer, BANKS, index, st.sampled_from(TEAMS)), version)
    if kind is cmd.AssignSeat:
        return st.builds(kind, somebody, st.sampled_from(["", "u-1", "u-2"]), st.none(), version)
    if kind is cmd.AdjustTime:
        reason = st.none() | st.just("late")
        return st.builds(kind, somebody, BANKS, st.none(), reason, version) | st.builds(
            kind, somebody, st.none(), st.integers(-5_000, 5_000), reason, version
        )
    return st.builds(kind, version)


class Ledger:
    """Running time kept independently of the engine: a stopwatch started and stopped by what was announced."""

    def __init__(self):
        self.since, self.total, self.holder = None, 0, None
        self.used, self.turns, self.ended, self.cycle_began = {}, {}, 0, 0

    def note(self, event):
        match event:
            case ev.SessionStarted():
                self.since, self.holder = event.at_ms, event.participant_id
            case ev.SessionResumed():
                self.since = event.at_ms
            case ev.CycleSwitched():
                self.charge(event.at_ms)
                assert event.from_participant_id == self.holder
                self.turns[self.holder] = self.turns.get(self.holder, 0) + 1
                self.ended, self.cycle_began = self.ended + 1, self.total
                self.since, self.holder = event.at_ms, event.to_participant_id
            case ev.SessionPaused():
                self.charge(event.at_ms)
            case (
                ev.SessionCompleted()
                | ev.SessionExpired()
                | ev.SessionCancelled()
                | ev.SessionDeleted()
                | ev.SessionAbandoned()
            ):
                self.charge(event.at_ms)
                self.holder = None

    def charge(self, at_ms):
        if self.since is not None:
            self.total += at_ms - self.since
            self.used[self.holder] = self.used.get(self.holder, 0) + at_ms - self.since
        self.since = None

    def running_ms(self, now):
        return self.total + (0 if self.since is None else now - self.since)

    def used_ms(self, person, now):
        running = now - self.since if self.since is not None and self.holder == person else 0
        return self.used.get(person, 0) + running


class AnySession(RuleBasedStateMachine):
    """One session under random commands, kept as a server keeps it: each accepted decision is committed."""

    @initialize(create=creations(), at=st.integers(0, 3_000))
    def open(self, create, at):
        self.now = at
        self.ledger = Ledger()
        made = create_session(create, session_id=UUID(int=7), epoch="e", now=at)
        self.state, self.events = made.state, []
        self.keep(made, after=None)

    def keep(self, decision, after):
        """Commit a decision, and check what it says about itself."""
        self.state = decision.state
        self.events += decision.events
        for event in decision.events:
            assert event.at_ms <= max(self.now, after.updated_ms if after else 0)
            self.ledger.note(event)
        if after is not None:
            assert decision.before == after
            assert decision.state.version - after.version == len({event.version for event in decision.events})
            assert (decision.state == after) == (not decision.events)

    def seen_at(self):
        return max(self.now, self.state.updated_ms)

    @rule(data=st.data(), step=STEPS)
    def ask(self, data, step):
        self.now += step
        command = some_command(data, self.state)
        before, packed = self.state, PACK.encode(self.state)
        try:
            decision = decide(before, command, self.now)
        except Refusal:
            assert (self.state, PACK.encode(self.state)) == (before, packed)
            return
        at_ms = max(self.now, before.updated_ms)
        if not isinstance(command, cmd.AssignSeat):  # a seat may be that person's already
            assert any(event.at_ms == at_ms for event in decision.events)
        self.keep(decision, before)

    @rule(step=STEPS)
    def look(self, step):
        self.now += step
        self.keep(observe(self.state, self.now), self.state)

    @precondition(lambda self: next_deadline(self.state) is not None)
    @rule(off=st.sampled_from([-1, 0, 1]))
    def look_around_the_deadline(self, off):
        due = next_deadline(self.state).at_ms
        self.now = max(self.now, due + off)
        decision = observe(self.state, self.now)
        if self.now >= due:
            assert decision.events[0].at_ms == due
        self.keep(decision, self.state)

    @precondition(lambda self: is_idle(self.state))
    @rule(step=STEPS)
    def let_go(self, step):
        """Rarely, for it is the end."""
        if step == 500:
            self.now = max(self.now + step, self.state.updated_ms)
            self.keep(abandon(self.state, self.now, idle_since_ms=self.state.updated_ms), self.state)

    @rule(back=st.integers(1, 4_000))
    def clock_goes_back(self, back):
        self.now -= back

    @invariant()
    def time_is_conserved(self):
        now = self.seen_at()
        stretch_ms = read(self.state, now).stretch_ms
        assert self.state.running_ms + stretch_ms == self.ledger.running_ms(now)
        assert self.state.cycle.elapsed_ms + stretch_ms == self.ledger.running_ms(now) - self.ledger.cycle_began
        for seat in self.state.participants:
            running = stretch_ms if seat == self.state.active_participant else 0
            assert seat.time_used_ms + running == self.ledger.used_ms(seat.participant_id, now)
        charged_ms = sum(seat.time_used_ms for seat in self.state.participants)
        running_ms = stretch_ms if self.state.active_participant else 0
        assert charged_ms + running_ms + self.ledger.used_ms(None, now) == self.ledger.running_ms(now)

    @invariant()
    def cycles_are_counted(self):
        assert self.state.cycle.number == self.ledger.ended
        for seat in self.state.participants:
            assert seat.cycle_count == self.ledger.turns.get(seat.participant_id, 0)

    @invariant()
    def at_most_one_is_active(self):
        state, holder = self.state, self.ledger.holder
        active = state.active_participant
        assert (None if active is None else active.participant_id) == holder
        assert active is None or state.status in {"running", "paused"}
        assert (state.cycle.started_ms is not None) == (state.status == "running")

    @invariant()
    def time_left_is_never_negative(self):
        for at in (self.seen_at(), self.seen_at() + 1_000_000):
            reading = read(self.state, at)
            assert reading.time_remaining_ms is None or reading.time_remaining_ms >= 0
            assert reading.overtime_ms >= 0
            assert not (reading.overtime_ms and reading.time_remaining_ms)
            assert all((left_ms or 0) >= 0 for left_ms in seats_left_ms(self.state, reading.stretch_ms))
        assert all(owner.total_time_ms >= 0 for owner in (*self.state.participants, *self.state.groups))

    @invariant()
    def members_show_their_groups_bank(self):
        for seat in self.state.participants:
            position = self.state.group_position_of(seat)
            if self.state.config.sync_mode is SyncMode.PER_GROUP:
                group = self.state.groups[position]
                assert (seat.total_time_ms, seat.has_expired) == (group.total_time_ms, group.has_expired)

    @invariant()
    def history_has_no_gaps(self):
        assert [event.sequence for event in self.events] == list(range(1, self.state.sequence + 1))
        versions = [version for version, _ in groupby(self.events, key=lambda event: event.version)]
        assert versions == list(range(1, self.state.version + 1))
        instants = [event.at_ms for event in self.events]
        assert instants == sorted(instants)
        assert self.state.updated_ms == instants[-1]

    @invariant()
    def nothing_is_overdue_once_looked_at(self):
        due = next_deadline(observe(self.state, self.now).state)
        assert due is None or due.at_ms > self.seen_at()

    def teardown(self):
        if not hasattr(self, "events"):
            return
        assert replay(self.events) == self.state
        assert replay([through_json(event) for event in self.events]) == self.state
        assert msgspec.msgpack.decode(PACK.encode(self.state), type=State) == self.state
        assert msgspec.msgpack.decode(PACK.encode(self.events), type=list[ev.Event]) == self.events


def through_json(event):
    data = json.loads(json.dumps(ev.details(event)))
    again = ev.rebuild(event.name, sequence=event.sequence, version=event.version, at_ms=event.at_ms, data=data)
    assert again == event
    return again


class LookedAtOrNot(RuleBasedStateMachine):
    """Twins under the same commands: one is looked at all the time and carried on from there, one never."""

    @initialize(create=creations())
    def open(self, create):
        self.now = 0
        made = create_session(create, session_id=UUID(int=7), epoch="e", now=0)
        self.often, self.seldom = made.state, made.state
        self.often_events, self.seldom_events = list(made.events), list(made.events)

    @rule(steps=st.lists(STEPS, max_size=4))
    def look_at_one(self, steps):
        for step in steps:
            self.now += step
            self.see()

    @precondition(lambda self: next_deadline(self.often) is not None)
    @rule(off=st.sampled_from([-1, 0, 1]))
    def look_at_one_around_its_deadline(self, off):
        self.now = max(self.now, next_deadline(self.often).at_ms + off)
        self.see()

    def see(self):
        seen = observe(self.often, self.now)
        self.often = seen.state
        self.often_events += seen.events

    @rule(data=st.data(), step=STEPS)
    def ask_both(self, data, step):
        self.now += step
        command = some_command(data, self.seldom)
        often, seldom = (self.answer(state, command) for state in (self.often, self.seldom))
        if isinstance(often, str) or isinstance(seldom, str):
            assert often == seldom
            return
        assert often.expired_on_switch == seldom.expired_on_switch
        self.often, self.seldom = often.state, seldom.state
        self.often_events += often.events
        self.seldom_events += seldom.events
        assert self.often == self.seldom
        assert self.often_events == self.seldom_events

    def answer(self, state, command):
        try:
            return decide(state, command, self.now)
        except Refusal as refused:
            return str(refused)

    @invariant()
    def a_look_now_shows_the_same(self):
        often, seldom = observe(self.often, self.now), observe(self.seldom, self.now)
        assert often.state == seldom.state
        assert [*self.often_events, *often.events] == [*self.seldom_events, *seldom.events]
        assert read(often.state, self.now) == read(seldom.state, self.now)


ORDINARY = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

# A failure takes minutes to reduce to its shortest form, which the timeout of all tests would cut short.
REDUCING = pytest.mark.timeout(600)

TestAnySession = REDUCING(AnySession.TestCase)
TestAnySession.settings = settings(ORDINARY, max_examples=120, stateful_step_count=25)
TestLookedAtOrNot = REDUCING(LookedAtOrNot.TestCase)
TestLookedAtOrNot.settings = settings(ORDINARY, max_examples=120, stateful_step_count=20)
