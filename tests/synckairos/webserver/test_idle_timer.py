"""One timer for a connection that is idle again and again."""

from __future__ import annotations

import pytest

from synckairos.webserver.idle_timer import IdleTimer

SECONDS = 75.0


class Loop:
    """An event loop whose time the test moves."""

    def __init__(self):
        self.now_s = 0.0
        self.timers = []

    def time(self):
        return self.now_s

    def call_later(self, seconds, act):
        self.timers.append((self.now_s + seconds, act))
        return self

    def cancel(self):
        self.timers.clear()

    def go_on_to(self, at_s):
        while self.timers and self.timers[0][0] <= at_s:
            self.now_s, act = self.timers.pop(0)
            act()
        self.now_s = at_s


@pytest.fixture
def idle():
    """A timer, the loop that it is on, and the instants when it found the connection idle for too long."""
    loop, ended = Loop(), []
    return IdleTimer(loop, SECONDS, lambda: ended.append(loop.now_s)), loop, ended


def test_a_connection_that_stays_idle_ends(idle):
    timer, loop, ended = idle
    timer.start()
    loop.go_on_to(200.0)
    assert ended == [SECONDS]


def test_the_time_counts_from_the_last_answer_and_there_is_one_timer_for_all(idle):
    timer, loop, ended = idle
    for at_s in range(0, 120, 10):
        loop.go_on_to(at_s)
        timer.stop()
        timer.start()
        assert len(loop.timers) == 1
    loop.go_on_to(400.0)
    assert ended == [110 + SECONDS]


def test_a_connection_that_is_busy_does_not_end(idle):
    timer, loop, ended = idle
    timer.start()
    timer.stop()
    loop.go_on_to(200.0)
    assert (ended, loop.timers) == ([], [])
    timer.start()
    loop.go_on_to(400.0)
    assert ended == [200.0 + SECONDS]


def test_a_connection_that_is_gone_is_let_go(idle):
    timer, loop, ended = idle
    timer.start()
    timer.close()
    assert loop.timers == []
    loop.go_on_to(200.0)
    assert ended == []
