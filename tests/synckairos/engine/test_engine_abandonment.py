"""Sessions in which nothing happens by itself, and their end."""

import pytest

from synckairos.engine import is_idle

DAY = 86_400_000


def test_what_has_a_deadline_is_not_idle(session):
    assert not is_idle(session("per_participant").start(0).state)
    assert not is_idle(session("per_participant", start_at_ms=400 * DAY).state)
    assert not is_idle(session("count_up", max_time_ms=5_000).start(0).state)


def test_what_waits_for_a_command_is_idle(session):
    pending, paused, counting, overdrawn = (session("per_participant") for _ in range(4))
    paused.start(0).pause(1_000)
    overdrawn.start(0).look(60_000)
    counting = session("count_up").start(0)
    for s in (pending, paused, counting, overdrawn):
        assert is_idle(s.state)


@pytest.mark.parametrize("end", ["complete", "cancel", "delete", "abandon"])
def test_what_has_ended_is_not_idle(session, end):
    s = session("per_participant").start(0)
    getattr(s, end)(1_000)
    assert not is_idle(s.state)


def test_an_abandoned_session_is_cancelled_and_its_clock_stands_at_that_instant(session):
    s = session("per_participant").start(0)
    s.look(60_000)
    s.abandon(60_000 + 30 * DAY)
    assert (s.status, s.state.completed_ms, s.deadline) == ("cancelled", 60_000 + 30 * DAY, None)
    assert s.used("A", 60 * DAY) == s.state.running_ms == 60_000 + 30 * DAY
    assert s.last("session.abandoned").idle_since_ms == 60_000
    assert s.replayed() == s.state


def test_a_session_is_abandoned_by_the_timekeeper(session):
    """All its events are those of no command."""
    decision = session("count_up").start(0).abandon(DAY)
    assert (decision.due, len(decision.events)) == (1, 1)


def test_an_abandonment_never_lies_before_the_last_transition(session):
    s = session("count_up").start(5_000)
    s.abandon(1_000)
    assert s.happened()[-1] == ("session.abandoned", 5_000)
