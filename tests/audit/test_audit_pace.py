"""When a worker drains: on demand, unasked when nobody demands it, and less and less often while a store is away."""

import threading
from itertools import pairwise

import pytest

from audit.drain_pace import IDLE_S, MAX_PAUSE_S, TASK_S, UNASKED_S, DrainPace
from audit.stop_request import StopRequest
from audit.worker import drain_periodically


class Drain:
    """Stands for the drain; the test says how it ends."""

    def __init__(self):
        self.durations = []
        self.ends = True

    @property
    def calls(self):
        return len(self.durations)

    def __call__(self, duration_s):
        self.durations.append(duration_s)
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends


@pytest.fixture
def drain():
    return Drain()


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def pace(drain, clock):
    return DrainPace(drain, lambda: clock[0])


def test_each_demand_is_met_while_all_is_well(pace, drain):
    assert [pace.attempt() for _ in range(3)] == [True] * 3
    assert drain.calls == 3


def test_while_a_store_is_away_attempts_become_rare_and_one_success_ends_that(pace, drain, clock):
    drain.ends = False
    tried_at = []
    for _ in range(600):
        if pace.attempt():
            tried_at.append(clock[0])
        clock[0] += 1
    pauses = [after - before for before, after in pairwise(tried_at)]
    assert pauses[0] <= 2
    assert max(pauses) <= MAX_PAUSE_S + 1
    assert len(tried_at) < 60
    drain.ends = True
    clock[0] += MAX_PAUSE_S
    assert pace.attempt()
    assert pace.attempt()


def test_what_the_drain_raises_is_a_failure_and_does_not_end_the_thread(pace, drain, clock):
    drain.ends = RuntimeError("a fault of ours")
    with pytest.raises(RuntimeError):
        pace.attempt()
    assert not pace.attempt()
    clock[0] += 2
    stop = StopRequest()
    thread = threading.Thread(target=drain_periodically, args=(stop, pace, 0.001))
    thread.start()
    while drain.calls < 3:
        clock[0] += 60
        assert thread.is_alive()
    stop.make()
    thread.join()


def test_unasked_it_drains_only_when_no_task_has_come_for_a_while(pace, drain, clock):
    assert pace.attempt_unasked()
    assert pace.attempt_unasked(), "nobody asks, so the next one begins at once"
    assert pace.attempt()
    assert not pace.attempt_unasked()
    clock[0] += IDLE_S / 2
    assert pace.attempt()
    clock[0] += IDLE_S / 2
    assert not pace.attempt_unasked()
    clock[0] += IDLE_S
    assert pace.attempt_unasked()
    assert drain.durations == [UNASKED_S, UNASKED_S, TASK_S, TASK_S, UNASKED_S]


def test_a_task_waits_for_the_end_of_a_drain_that_nobody_asked_for():
    begun, end, durations = threading.Event(), threading.Event(), []

    def wait(duration_s):
        durations.append(duration_s)
        begun.set()
        return end.wait(30)

    pace = DrainPace(wait)
    unasked = threading.Thread(target=pace.attempt_unasked)
    unasked.start()
    assert begun.wait(30)
    task = threading.Thread(target=pace.attempt)
    task.start()
    end.set()
    unasked.join()
    task.join()
    assert durations == [UNASKED_S, TASK_S]
    assert not pace.attempt_unasked()


def test_two_at_once_are_one(drain):
    inside, go_on = threading.Event(), threading.Event()

    def slow(duration_s):
        drain(duration_s)
        inside.set()
        return go_on.wait(30)

    pace = DrainPace(slow)
    thread = threading.Thread(target=pace.attempt)
    thread.start()
    assert inside.wait(30)
    assert not pace.attempt_unasked()
    go_on.set()
    thread.join()
    assert drain.calls == 1
