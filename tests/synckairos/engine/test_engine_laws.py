"""Laws that hold for every session, whatever is asked of it and whenever: random sessions, commands and instants."""

import json
from itertools import groupby
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from synckairos.engine import (
    MAX_TIME_MS,
    OutagePolicy,
    State,
    SyncMode,
    abandon,
    create_session,
    decide,
    evolve,
    is_idle,
    next_deadline,
    observe,
    read,
    replay,
    restore,
)
from synckairos.engine import commands as cmd
from synckairos.engine import events as ev
from synckairos.engine.controls import MAIN
from synckairos.engine.event_data import details, rebuild
from synckairos.engine.reading import seats_left_ms
from synckairos.engine.refusals import Refusal, Unsettled
from synckairos.engine.state import Access
from tests.synckairos.engine.drawing import HASTE, MAY_CHANGE_NOTHING, STEPS, creations, some_command
from tests.synckairos.engine.ledger import Ledger

PACK = msgspec.msgpack.Encoder(uuid_format="bytes")


def rested(state, at_ms):
    """Return the state with its clocks as they stand at an instant."""
    if state.status != "running":
        return state
    return evolve(state, ev.SessionPaused(state.sequence + 1, state.version + 1, at_ms))


def settled(state, now):
    """Return the state with all that is due, in as many portions as it takes, and the events."""
    events = []
    while (portion := observe(state, now)).events:
        state = portion.state
        events += portion.events
    return state, events


def owners(state):
    """Return those that own the clocks of an hourglass."""
    return state.groups if state.config.sync_mode is SyncMode.PER_GROUP else state.participants


def as_unpressed(state):
    """Return a state without what tells that something has happened."""
    return replace(state, version=0, sequence=0, updated_ms=0, last_switch=None, epoch="", access=Access())


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
        followed = after
        for event in decision.events:
            assert event.at_ms <= max(self.now, after.updated_ms if after else 0)
            self.ledger.note(event)
            before, followed = followed, evolve(followed, event)
            if before is not None:
                self.check_event(before, followed, event)
        assert followed in (None, decision.state)
        if after is not None:
            assert decision.before == after
            assert decision.state.version - after.version == len({event.version for event in decision.events})
            assert (decision.state == after) == (not decision.events)

    def check_event(self, before, after, event):
        """Check what one event has made of the clocks."""
        match event:
            case ev.CycleSwitched():
                self.unpressed = before
                lag = event.lag
                assert lag is None or 0 <= lag.granted_ms <= min(lag.measured_ms or 0, before.stretch_ms(event.at_ms))
            case ev.CycleUndone():
                assert as_unpressed(after) == as_unpressed(self.unpressed)
        if any((owner.time_control or before.config.control).others_gain for owner in owners(before)):
            given_ms = 0
            if isinstance(event, ev.ClockAdjusted):
                given_ms = event.by_ms
            elif isinstance(event, ev.ParticipantAdjusted):
                rest = rested(before, event.at_ms)
                bank_ms = rest.participants[rest.position_of(event.participant_id)].total_time_ms
                given_ms = event.total_time_ms - bank_ms
            assert self.sum_of_clocks(after, event.at_ms) == self.sum_of_clocks(before, event.at_ms) + given_ms

    def sum_of_clocks(self, state, at_ms):
        return sum(owner.total_time_ms for owner in owners(rested(state, at_ms)))

    def seen_at(self):
        return max(self.now, self.state.updated_ms)

    @rule(data=st.data(), steps=HASTE)
    def ask(self, data, steps):
        for step in steps:
            self.ask_one(data, step)

    def ask_one(self, data, step):
        self.now += step
        command = some_command(data, self.state)
        before, packed = self.state, PACK.encode(self.state)
        try:
            decision = decide(before, command, self.now)
        except Refusal:
            assert (self.state, PACK.encode(self.state)) == (before, packed)
            return
        at_ms = max(self.now, before.updated_ms)
        if not isinstance(command, MAY_CHANGE_NOTHING):
            assert any(event.at_ms == at_ms for event in decision.events)
        self.keep(decision, before)
        if isinstance(command, cmd.AdjustClock) and command.at_least_ms is not None:
            assert read(self.state, at_ms).time_remaining_ms >= min(command.at_least_ms, MAX_TIME_MS)

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

    @rule(policy=st.sampled_from(OutagePolicy), step=STEPS, outage=STEPS)
    def be_lost_and_restored(self, policy, step, outage):
        began_ms = self.now + step
        self.now = began_ms + outage
        epoch = f"e{self.state.version}"
        self.keep(restore(self.state, self.now, epoch=epoch, policy=policy, outage_began_ms=began_ms), self.state)
        assert (self.state.epoch, self.state.access.token_epoch) == (epoch, "e")

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
        for owner in (*self.state.participants, *self.state.groups):
            progress = owner.progress or MAIN
            assert min(owner.total_time_ms, progress.reserve_ms, progress.periods, progress.turns) >= 0

    @invariant()
    def lag_is_granted_within_its_quota(self):
        for seat in self.state.participants:
            account = seat.lag
            assert (account is not None) == self.state.config.compensates_lag
            if account is not None:
                assert 0 <= account.quota_ms <= 7 * account.gain_ms
                assert account.granted_ms == self.ledger.granted.get(seat.participant_id, 0)
                assert account.uncompensated_ms >= 0

    @invariant()
    def members_show_their_groups_bank(self):
        for seat in self.state.participants:
            position = self.state.group_position_of(seat)
            if self.state.config.sync_mode is SyncMode.PER_GROUP:
                group = self.state.groups[position]
                assert (seat.total_time_ms, seat.has_expired) == (group.total_time_ms, group.has_expired)
                assert seat.progress == group.progress

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
        due = next_deadline(settled(self.state, self.now)[0])
        assert due is None or due.at_ms > self.seen_at()

    def teardown(self):
        if not hasattr(self, "events"):
            return
        packed = PACK.encode(self.state)
        assert msgspec.msgpack.decode(packed, type=State) == self.state
        through_msgpack = msgspec.msgpack.decode(PACK.encode(self.events), type=list[ev.Event])
        assert through_msgpack == self.events
        for events in (self.events, through_msgpack, [through_json(event) for event in self.events]):
            assert replay(events) == self.state
            assert PACK.encode(replay(events)) == packed


def through_json(event):
    data = json.loads(json.dumps(details(event)))
    again = rebuild(event.name, sequence=event.sequence, version=event.version, at_ms=event.at_ms, data=data)
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

    @rule(data=st.data(), steps=HASTE)
    def ask_both(self, data, steps):
        for step in steps:
            self.ask_each(data, step)

    def ask_each(self, data, step):
        self.now += step
        command = some_command(data, self.seldom)
        (before, often), (due, seldom) = (self.answer(state, command) for state in (self.often, self.seldom))
        if isinstance(often, str) or isinstance(seldom, str):
            assert often == seldom
            return
        assert often.expired_on_switch == seldom.expired_on_switch
        self.often, self.seldom = often.state, seldom.state
        self.often_events += (*before, *often.events)
        self.seldom_events += (*due, *seldom.events)
        assert self.often == self.seldom
        assert self.often_events == self.seldom_events

    def answer(self, state, command):
        """Return the decision as a server makes it: what is due and too much for one is committed before."""
        earlier = ()
        while True:
            try:
                return earlier, decide(state, command, self.now)
            except Unsettled:
                portion = observe(state, self.now)
                state, earlier = portion.state, earlier + portion.events
            except Refusal as refused:
                return earlier, str(refused)

    @invariant()
    def a_look_now_shows_the_same(self):
        (often, often_events), (seldom, seldom_events) = (settled(one, self.now) for one in (self.often, self.seldom))
        assert often == seldom
        assert [*self.often_events, *often_events] == [*self.seldom_events, *seldom_events]
        assert read(often, self.now) == read(seldom, self.now)


ORDINARY = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

# A failure takes minutes to reduce to its shortest form, which the timeout of all tests would cut short.
REDUCING = pytest.mark.timeout(600)

TestAnySession = REDUCING(AnySession.TestCase)
TestAnySession.settings = settings(ORDINARY, max_examples=120, stateful_step_count=25)
TestLookedAtOrNot = REDUCING(LookedAtOrNot.TestCase)
TestLookedAtOrNot.settings = settings(ORDINARY, max_examples=120, stateful_step_count=20)
