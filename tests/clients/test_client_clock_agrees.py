"""A screen agrees with the engine at any instant between two states: every time control, pool and correction."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from synckairos.engine import SyncMode, create_session, decide, next_deadline, observe, read, seats_left_ms
from synckairos.engine import commands as cmd
from synckairos.engine.clock import clock_of
from synckairos.engine.controls import MAIN, Bank
from synckairos.engine.controls.stages import Stages
from synckairos.engine.events import ParticipantWarned
from synckairos.engine.pools import pool_of
from synckairos.engine.refusals import Refusal
from synckairos.engine.units import Status
from synckairos_client import clock
from tests.clients.random_sessions import BORN_MS, STEPS, commands, corrections, creations
from tests.clients.seen_states import as_seen, as_seen_from_an_older_server


def is_of_an_older_kind(state):
    config, owners = state.config, (*state.participants, *state.groups)
    return config.time_control is None and not any(owner.time_control for owner in owners)


def groups_left_ms(state, stretch_ms):
    """What the engine leaves to each group: what its members show, or its bank with what an hourglass gives it."""
    seats, clock_now = seats_left_ms(state, stretch_ms), clock_of(state)
    gained_ms = 0 if clock_now is None else clock_now.gained_ms(stretch_ms)
    members = {seat.group_id: left for seat, left in zip(state.participants, seats, strict=True)}
    if state.config.sync_mode is not SyncMode.PER_GROUP:
        return [group.total_time_ms for group in state.groups]
    return [members.get(group.group_id, group.total_time_ms + gained_ms) for group in state.groups]


def agree(seen, state, now):
    """Everything that a screen shows at an instant is what the engine reads."""
    reading = read(state, now)
    assert clock.remaining_ms(seen, now) == reading.time_remaining_ms
    assert clock.overtime_ms(seen, now) == reading.overtime_ms
    assert clock.elapsed_ms(seen, now) == state.running_ms + reading.stretch_ms
    seats = seats_left_ms(state, reading.stretch_ms)
    for seat, left_ms in zip(state.participants, seats, strict=True):
        assert clock.remaining_ms(seen, now, str(seat.participant_id)) == left_ms
    for group, left_ms in zip(state.groups, groups_left_ms(state, reading.stretch_ms), strict=True):
        assert clock.group_clock(seen, now, str(group.group_id)).remaining_ms == left_ms


def agree_in_detail(seen, state, now):
    """The phases, the lead-ins, and which clocks move, too."""
    reading, pool = read(state, now), pool_of(state)
    running = clock_of(state)
    seats, soon = (seats_left_ms(state, reading.stretch_ms + later) for later in (0, 1))
    moves = reading.drains_from_ms is not None
    for position, seat in enumerate(state.participants):
        shown = clock.participant_clock(seen, now, str(seat.participant_id))
        assert shown.remaining_ms == seats[position]
        assert shown.is_draining == (moves and soon[position] is not None and soon[position] < seats[position])
        assert shown.is_gaining == (moves and soon[position] is not None and soon[position] > seats[position])
        if moves and seats[position] is not None and pool.shares_clock(state, position, state.active):
            assert shown.lead_in_ms == max(0, running.lead_in_ms - reading.stretch_ms)
        if pool.has_banks and (state.config.time_control or pool.control(state, position) is not state.config.control):
            shows_progress(
                shown, seen, pool.control(state, position), Bank(seats[position], seat.progress or MAIN), now
            )
    for group in state.groups if pool.is_shared else ():
        shown = clock.group_clock(seen, now, str(group.group_id))
        control = group.time_control or state.config.control
        if state.config.time_control or group.time_control:
            shows_progress(shown, seen, control, Bank(shown.remaining_ms, group.progress or MAIN), now)


def shows_progress(shown, seen, control, bank, now):
    """The phase and what the control counts are told; the points are those of the instant of the state."""
    progress = bank.progress
    assert (shown.phase, shown.reserve_ms) == (progress.phase, progress.reserve_ms)
    assert (shown.turns_left, shown.periods_left) == (progress.turns, progress.periods)
    assert shown.stage == (progress.stage + 1 if isinstance(control, Stages) else 0)
    if now == seen["server_time_ms"]:
        assert shown.penalty_points == control.penalty_points(bank)


class AScreen(RuleBasedStateMachine):
    """One session, and a client that has its last state: it is sent after each command and each deadline."""

    @initialize(create=creations(), starts=st.integers(0, 4))
    def open(self, create, starts):
        self.now = BORN_MS
        self.commit(create_session(create, session_id=UUID(int=7), epoch="e", now=self.now))
        if starts:
            self.ask(cmd.Start())

    def ask(self, command):
        try:
            decision = decide(self.state, command, self.now)
        except Refusal:
            return
        self.commit(decision)

    def commit(self, decision):
        self.state = decision.state
        # The client may lack the state after a warning, which changes no clock.
        if not decision.events or not all(isinstance(event, ParticipantWarned) for event in decision.events):
            self.show()
        self.look()

    def show(self):
        self.seen, self.seen_elsewhere = (
            told(self.state, self.now) for told in (as_seen, as_seen_from_an_older_server)
        )

    def look(self):
        agree(self.seen, self.state, self.now)
        agree_in_detail(self.seen, self.state, self.now)
        if is_of_an_older_kind(self.state):
            agree(self.seen_elsewhere, self.state, self.now)

    def pass_time(self, until_ms, late_ms=0):
        """Look on the way, and commit each deadline that comes, up to `late_ms` late."""
        while (due := next_deadline(self.state)) is not None and due.at_ms <= until_ms:
            self.look_until(due.at_ms - 1)
            self.now = max(self.now, min(until_ms, due.at_ms + late_ms))
            self.commit(observe(self.state, self.now))
        self.look_until(until_ms)

    def look_until(self, until_ms):
        for instant in sorted({self.now + 1, (self.now + until_ms) // 2, until_ms}):
            if self.now < instant <= until_ms:
                self.now = instant
                self.look()

    @rule(data=st.data(), step=STEPS, late_ms=st.sampled_from([0, 1, 800]))
    def command(self, data, step, late_ms):
        self.pass_time(self.now + step, late_ms)
        self.ask(data.draw(commands(self.state.status)))

    @precondition(lambda self: self.state.status is Status.RUNNING)
    @rule(step=STEPS, lag_ms=st.none() | st.integers(0, 3_000))
    def finish_a_turn(self, step, lag_ms):
        self.pass_time(self.now + step)
        self.ask(cmd.Switch(think_ms=lag_ms and max(0, step - lag_ms), measured_ms=lag_ms))

    @precondition(lambda self: self.state.last_switch is not None)
    @rule(step=STEPS)
    def take_a_switch_back(self, step):
        self.pass_time(self.now + step)
        self.ask(cmd.UndoSwitch())

    @precondition(lambda self: not self.state.status.is_final)
    @rule(step=STEPS, data=st.data())
    def correct(self, step, data):
        self.pass_time(self.now + step)
        self.ask(data.draw(corrections()))

    @rule(step=STEPS, late_ms=st.sampled_from([0, 1, 800]), comes_back=st.booleans())
    def wait(self, step, late_ms, comes_back):
        self.pass_time(self.now + step, late_ms)
        if comes_back:  # on a new connection, with the state of this instant
            self.show()
            self.look()

    @precondition(lambda self: next_deadline(self.state) is not None)
    @rule(off=st.sampled_from([-1, 0, 1]))
    def wait_for_a_deadline(self, off):
        self.pass_time(max(self.now, next_deadline(self.state).at_ms + off))


RATHER_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
ORDINARY = settings(deadline=None, print_blob=True, suppress_health_check=RATHER_SLOW)
# A failure takes minutes to reduce to its shortest form, which the timeout of all tests would cut short.
TestAScreen = pytest.mark.timeout(600)(AScreen.TestCase)
TestAScreen.settings = settings(ORDINARY, max_examples=150, stateful_step_count=25)
