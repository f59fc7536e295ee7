"""A check that hangs delays callers for a bounded time, and runs once at a time."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from synckairos.ops import bounded_check
from synckairos.ops.bounded_check import BoundedCheck
from tests.servers import wait_until


class Server:
    """Returns how often it was called, once it is up."""

    def __init__(self):
        self.is_up = threading.Event()
        self.asked = 0

    def ask(self):
        self.asked += 1
        self.is_up.wait()
        return self.asked


def test_a_check_that_hangs_times_out_and_is_not_started_twice():
    server = Server()
    check = BoundedCheck("test", server.ask, within_s=0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            check.result()
    assert server.asked == 1
    server.is_up.set()
    wait_until(lambda: answered(check), 30, "it hears of the recovery")


def answered(check):
    with suppress(TimeoutError):
        return check.result() > 1


def test_an_error_of_the_check_reaches_the_caller():
    check = BoundedCheck("test", lambda: 1 / 0, within_s=30)
    with pytest.raises(ZeroDivisionError):
        check.result()


def test_a_late_success_counts_after_a_failure(monkeypatch):
    """A check of many round trips that callers wait for only briefly must not fail for ever."""
    waited_s = []

    class Noted(bounded_check.Future):
        def result(self, timeout=None):
            waited_s.append(timeout)
            return super().result(timeout)

    monkeypatch.setattr(bounded_check, "Future", Noted)
    server = Server()
    faults = [OSError("away")]

    def ask():
        if faults:
            raise faults.pop()
        return server.ask()

    check = BoundedCheck("test", ask, within_s=30)
    with pytest.raises(OSError, match="away"):
        check.result()
    with pytest.raises(TimeoutError):
        check.result()
    late = check._pending
    server.is_up.set()
    assert late.exception(30) is None
    assert check.result() == 2
    assert waited_s == [30, bounded_check.WAIT_AFTER_FAILURE_S, 30]
