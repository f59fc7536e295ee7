"""When a worker drains: on demand, unasked when nobody demands it, and less and less often while a store is away."""

import threading
from itertools import pairwise

import pytest

from audit.drain_pace import MAX_PAUSE_S, DrainPace
from audit.worker import IDLE_S, drain_periodically


class Drain:
    """Stands for the drain; the test says how it ends."""

    def __init__(self):
        self.calls = 0
        self.ends = True

    def __call__(self):
        self.calls += 1
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
    has_ended = threading.Event()
    thread = threading.Thread(target=drain_periodically, args=(has_ended, pace, 0.001))
    thread.start()
    while drain.calls < 3:
        clock[0] += 60
        assert thread.is_alive()
    has_ended.set()
    thread.join()


def test_unasked_it_drains_only_when_nobody_has_asked_for_a_while(pace, drain, clock):
    assert pace.attempt(if_idle_s=IDLE_S)
    assert not pace.attempt(if_idle_s=IDLE_S)
    clock[0] += IDLE_S / 2
    assert pace.attempt()
    clock[0] += IDLE_S / 2
    assert not pace.attempt(if_idle_s=IDLE_S)
    clock[0] += IDLE_S
    assert pace.attempt(if_idle_s=IDLE_S)


def test_two_at_once_are_one(drain):
    inside, go_on = threading.Event(), threading.Event()

    def slow():
        drain()
        inside.set()
        return go_on.wait(30)

    pace = DrainPace(slow)
    thread = threading.Thread(target=pace.attempt)
    thread.start()
    assert inside.wait(30)
    assert not pace.attempt()
    go_on.set()
    thread.join()
    assert drain.calls == 1
