"""The estimate of the store's clock: the quickest probe counts, until a clock is set."""

from __future__ import annotations

import random

import pytest

from synckairos.redis import store_clock as clock
from synckairos.redis.store_clock import MAX_AGE_S, StoreClock, estimate


class Local:
    """A local clock that the test moves, and a store whose clock is `ahead_s` of it."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        self.ahead_s = 0.0
        self.trip_s = (0.001, 0.001)

    def time(self) -> float:
        return self.now_s

    monotonic = time

    def probe(self, store_clock: StoreClock) -> None:
        self.now_s += MAX_AGE_S
        sent_s = self.now_s
        there_s = sent_s + self.trip_s[0]
        store_s = there_s + self.ahead_s
        self.now_s = there_s + self.trip_s[1]
        store_clock.add_sample(sent_s, store_s, self.now_s)


@pytest.fixture
def local(monkeypatch):
    local = Local()
    monkeypatch.setattr(clock, "time", local)
    return local


def shown_error_ms(store_clock: StoreClock, local: Local) -> float:
    return store_clock.now_ms() - (local.now_s + local.ahead_s) * 1000


def test_one_probe_is_wrong_by_at_most_half_its_round_trip():
    probe = estimate(sent_s=10.0, store_s=110.004, received_s=10.010)
    assert probe.offset_ms == pytest.approx(99_999.0)
    assert probe.error_ms == pytest.approx(5.0)


def test_a_slow_and_lopsided_probe_does_not_move_the_clock(local):
    store_clock = StoreClock()
    local.ahead_s = 30.0
    local.probe(store_clock)
    local.trip_s = (0.0, 0.2)
    for _ in range(4):
        local.probe(store_clock)
        assert abs(shown_error_ms(store_clock, local)) < 2


@pytest.mark.parametrize("step_s", [-120.0, 120.0])
def test_a_store_clock_that_was_set_is_believed_at_the_next_probe(local, step_s):
    store_clock = StoreClock()
    local.probe(store_clock)
    local.ahead_s += step_s
    local.probe(store_clock)
    assert abs(shown_error_ms(store_clock, local)) < 2


def test_an_estimate_is_fresh_for_five_seconds(local):
    store_clock = StoreClock()
    assert store_clock.is_stale
    local.probe(store_clock)
    assert not store_clock.is_stale
    local.now_s += MAX_AGE_S
    assert store_clock.is_stale


@pytest.mark.parametrize("parting", [0.0, 190e-6, -190e-6])
def test_the_lower_bound_is_never_ahead_of_the_store(local, parting):
    store_clock = StoreClock()
    assert store_clock.lower_bound_ms() is None
    chance = random.Random(1)
    for _ in range(2_000):
        local.trip_s = (chance.expovariate(500), chance.expovariate(500))
        before_s = local.now_s
        local.probe(store_clock)
        local.now_s += chance.random() * (MAX_AGE_S - 0.1)
        local.ahead_s += (local.now_s - before_s) * parting
        behind_ms = (local.now_s + local.ahead_s) * 1000 - store_clock.lower_bound_ms()
        assert -1 <= behind_ms <= 50
    local.now_s += MAX_AGE_S
    assert store_clock.lower_bound_ms() is None


def test_the_estimate_runs_on_a_clock_that_cannot_be_set(monkeypatch):
    store_clock = StoreClock()
    before_ms = store_clock.now_ms()
    monkeypatch.setattr(clock.time, "time", lambda: 0.0)
    assert store_clock.now_ms() - before_ms < 60_000
