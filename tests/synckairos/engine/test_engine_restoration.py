"""A session that was lost and restored: nobody gains or loses a millisecond against the policy."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from synckairos.engine import OutagePolicy, Refusal, create_session, decide, evolve, next_deadline, observe, restore
from synckairos.engine import events as ev
from synckairos.engine.refusals import Unsettled
from synckairos.engine.restoration import MAX_SETTLED
from synckairos.engine.state import Access
from tests.synckairos.engine.drawing import STEPS, creations, some_command


def settled(state, now):
    """Return the state with everything that is due, in as many portions as it takes."""
    while (portion := observe(state, now)).events:
        state = portion.state
    return state


def clocks(state):
    """Return a state without its numbers, its epoch and what follows from that."""
    return replace(state, version=0, sequence=0, updated_ms=0, epoch="", access=Access(), last_switch=None)


@st.composite
def played(draw):
    """A session after some commands, as it was committed last, and the instant of that."""
    now = draw(st.integers(0, 3_000))
    state = create_session(draw(creations()), session_id=UUID(int=7), epoch="e", now=now).state
    data = draw(st.data())
    for step in draw(st.lists(STEPS, max_size=8)):
        now += step
        try:
            state = decide(state, some_command(data, state), now).state
        except Refusal:
            continue
    return state, max(now, state.updated_ms)


OUTAGES = st.integers(0, 60_000)


@given(played(), OUTAGES, STEPS)
@settings(max_examples=50)
def test_with_charge_every_clock_is_as_if_the_store_had_never_been_away(lost, outage_ms, step):
    state, now = lost
    restored = restore(state, now + outage_ms, epoch="e2", policy=OutagePolicy.CHARGE, outage_began_ms=now).state
    for at in (now, now + step, now + outage_ms, now + outage_ms + 100_000):
        truth, seen = settled(state, at), settled(restored, at)
        assert clocks(seen) == clocks(truth)
        assert (seen.version, seen.sequence) == (truth.version + 1, truth.sequence + 1)
        assert seen.updated_ms == truth.updated_ms
        assert seen.last_switch == truth.last_switch


@given(played(), STEPS, OUTAGES)
@settings(max_examples=50)
def test_with_a_pause_every_clock_stands_as_at_the_beginning_of_the_outage(lost, step, outage_ms):
    state, now = lost
    began_ms = now + step
    decision = restore(state, began_ms + outage_ms, epoch="e2", policy=OutagePolicy.PAUSE, outage_began_ms=began_ms)
    before, paused = settled(state, began_ms), decision.state
    if before.status == "pending" and paused.status == "paused":
        assert paused.started_ms == before.config.start_at_ms > began_ms
        assert paused.running_ms == 0
        assert [seat.total_time_ms for seat in paused.participants] == [s.total_time_ms for s in before.participants]
        return
    if before.status == "running":
        before = evolve(before, ev.SessionPaused(before.sequence + 1, before.version + 1, began_ms))
    assert clocks(paused) == clocks(before)
    later = settled(paused, began_ms + outage_ms)
    assert clocks(later) == clocks(paused)


@given(played(), STEPS, OUTAGES, st.sampled_from(OutagePolicy))
def test_the_events_lead_to_the_state_and_the_first_names_the_parent(lost, step, outage_ms, policy):
    state, now = lost
    began_ms = now + step
    decision = restore(state, began_ms + outage_ms, epoch="e2", policy=policy, outage_began_ms=began_ms)
    first, *others = decision.events
    assert first == ev.SessionRestored(
        state.sequence + 1, state.version + 1, state.updated_ms, "e2", "e", policy, began_ms
    )
    followed = state
    for event in decision.events:
        followed = evolve(followed, event)
    assert followed == decision.state
    assert (decision.before, decision.late, decision.due) == (state, len(others), 0)
    assert decision.deadline == next_deadline(decision.state)


def test_a_session_that_was_to_start_in_the_outage_starts_on_time_and_stands(session):
    s = session("per_participant", start_at_ms=5_000)
    s.restore(9_000, "pause", began=2_000)
    assert s.happened() == [("session.restored", 0), ("session.started", 5_000), ("session.paused", 5_000)]
    assert [s.left(name, 9_000) for name in "AB"] == [60_000, 60_000]


def test_a_session_that_is_to_start_later_is_left_to_its_schedule(session):
    s = session("per_participant", start_at_ms=5_000)
    s.restore(4_000, "pause", began=2_000)
    assert s.state.status == "pending"
    assert s.deadline == ("start", 5_000)


def test_a_session_that_had_expired_before_the_outage_has_ended(session):
    s = session("per_participant", on_timeout="end_session").start(0)
    s.restore(200_000, "pause", began=100_000)
    assert s.state.status == "expired"
    assert s.state.completed_ms == 60_000


def test_the_last_switch_can_be_taken_back_after_a_charge(session):
    s = session("per_participant").start(0)
    s.switch(1_000)
    s.restore(5_000)
    s.undo(6_000)
    assert s.active == "A"
    assert s.left("A", 6_000) == 54_000


def test_a_second_restoration_keeps_the_epoch_that_tokens_name(session):
    s = session("per_participant")
    s.restore(1_000)
    s.restore(2_000)
    assert s.state.access.token_epoch == "e1"


def test_a_pause_needs_the_beginning_of_the_outage(session):
    with pytest.raises(ValueError, match="beginning"):
        session("per_participant").restore(1_000, "pause")


def test_more_deadlines_than_one_restoration_applies_are_refused(session):
    s = session("per_cycle", time_per_cycle_ms=1_000, on_timeout="skip_cycle").start(0)
    with pytest.raises(Unsettled):
        s.restore(10_000_000, "pause", began=(MAX_SETTLED + 1) * 1_000)
