"""The offset of the server's clock, from PINGs over bad networks, on a device whose clock is wrong."""

from __future__ import annotations

import math
import random

from synckairos_client.clock_sync import ClockOffset, device_clock

AHEAD_MS = -7_654.0
"""Server minus device, in truth."""


def ping(offset: ClockOffset, at_ms: float, out_ms: float, back_ms: float, *, ahead_ms: float = AHEAD_MS) -> None:
    """One sample that takes so long each way, and 2 ms in the server."""
    arrives_ms = at_ms + out_ms
    offset.add(at_ms, arrives_ms + ahead_ms, arrives_ms + 2 + ahead_ms, arrives_ms + 2 + back_ms)


def test_a_symmetric_way_gives_the_offset_exactly_and_the_servers_own_time_does_not_count():
    offset = ClockOffset()
    ping(offset, 1_000, 40, 40)
    assert offset.offset_ms == AHEAD_MS
    assert offset.error_ms == 41.0  # half the way, and the server's whole milliseconds


def test_the_sample_that_waited_least_is_believed():
    offset = ClockOffset()
    ping(offset, 0, 10, 300)
    ping(offset, 1_000, 6, 8)
    ping(offset, 2_000, 500, 20)
    assert offset.offset_ms == AHEAD_MS - 1
    assert offset.error_ms == 8.0


def test_the_error_bound_holds_on_any_network():
    rng = random.Random(1)
    offset = ClockOffset()
    for second in range(200):
        ping(offset, second * 1_000, rng.uniform(1, 400), rng.uniform(1, 400))
        assert abs(offset.offset_ms - AHEAD_MS) <= offset.error_ms


def test_a_good_sample_is_forgotten_after_eight_others():
    offset = ClockOffset()
    ping(offset, 0, 1, 1)
    for second in range(1, 8):
        ping(offset, second * 1_000, 20, 20)
    assert offset.error_ms == 2.0
    ping(offset, 9_000, 20, 20)
    assert offset.error_ms == 21.0


def test_a_device_that_slept_forgets_what_it_knew_even_if_the_way_is_slower_now():
    offset = ClockOffset()
    for second in range(8):
        ping(offset, second * 1_000, 2, 2)
    ping(offset, 9_000, 60, 60, ahead_ms=AHEAD_MS + 30_000)  # its clock stood still for half a minute
    assert offset.offset_ms == AHEAD_MS + 30_000


def test_drift_is_no_step():
    offset = ClockOffset()
    for second in range(8):
        ping(offset, second * 10_000, 2, 2, ahead_ms=AHEAD_MS + second)
    assert offset.error_ms == 3.0
    assert abs(offset.offset_ms - AHEAD_MS) <= 7


def test_before_the_first_sample_there_is_a_guess_without_a_bound():
    offset = ClockOffset()
    offset.set_estimate(server_ms=5_000, device_ms=1_000)
    assert offset.offset_ms == 4_000
    assert offset.error_ms == math.inf


def test_setting_the_devices_clock_does_not_move_the_time(monkeypatch):
    wall_s, monotonic_s = 1_000_000.0, 50.0
    monkeypatch.setattr("time.time", lambda: wall_s)
    monkeypatch.setattr("time.monotonic", lambda: monotonic_s)
    device_ms = device_clock()
    assert device_ms() == 1_000_000_000
    wall_s, monotonic_s = 999_000.0, 51.5
    assert device_ms() == 1_000_001_500
