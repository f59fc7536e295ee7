"""The time for which a turn has been on a screen, which is what a device knows of its user's thinking."""

from __future__ import annotations

import pytest

from synckairos_client.think_time import ThinkTime
from synckairos_client.updates import Update


def update(cycle, active="A", status="running", *, epoch="e", is_connected=True):
    state = {"epoch": epoch, "cycle_number": cycle, "active_participant_id": active, "status": status}
    return Update(state, (), is_connected)


@pytest.fixture
def thinking():
    """A screen that shows a session before its start."""
    screen = ThinkTime()
    screen.show(update(0, None, "pending"), 0)
    return screen


def test_a_turn_is_measured_from_the_state_that_shows_it(thinking):
    assert thinking.at_ms(500) is None
    thinking.show(update(0), 1_000)
    assert thinking.at_ms(3_500.4) == 2_500
    thinking.show(update(1, "B"), 4_000)
    assert thinking.at_ms(4_000) == 0


def test_other_updates_in_a_turn_change_nothing(thinking):
    thinking.show(update(0), 1_000)
    thinking.show(update(0), 2_000)
    thinking.show(update(0, is_connected=False), 3_000)
    thinking.show(update(0), 4_000)
    assert thinking.at_ms(5_000) == 4_000


def test_pauses_do_not_count(thinking):
    thinking.show(update(0), 1_000)
    thinking.show(update(0, status="paused"), 3_000)
    assert thinking.at_ms(4_000) is None
    thinking.show(update(0), 9_000)
    assert thinking.at_ms(10_000) == 3_000


def test_a_turn_that_began_while_there_was_no_connection_is_not_known(thinking):
    thinking.show(update(0, is_connected=False), 1_000)
    thinking.show(update(1, "B"), 2_000)
    assert thinking.at_ms(3_000) is None
    thinking.show(update(2), 4_000)
    assert thinking.at_ms(5_000) == 1_000


def test_the_turn_that_a_screen_begins_with_is_not_known():
    screen = ThinkTime()
    screen.show(Update(), 0)
    screen.show(update(3), 1_000)
    assert screen.at_ms(2_000) is None


def test_a_turn_that_comes_back_is_not_known(thinking):
    thinking.show(update(0), 1_000)
    thinking.show(update(1, "B"), 3_000)
    thinking.show(update(0), 3_500)
    assert thinking.at_ms(4_000) is None


def test_an_assigned_turn_and_a_new_session_are_measured_anew(thinking):
    thinking.show(update(2), 1_000)
    thinking.show(update(2, "B"), 3_000)
    assert thinking.at_ms(3_100) == 100
    thinking.show(update(0, epoch="f"), 4_000)
    assert thinking.at_ms(4_200) == 200


def test_nothing_runs_after_the_end(thinking):
    thinking.show(update(0), 1_000)
    thinking.show(update(0, None, "completed"), 2_000)
    assert thinking.at_ms(3_000) is None
