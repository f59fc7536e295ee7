"""A check that hangs keeps nobody waiting, and is asked once at a time."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from synckairos.ops import bounded_check
from synckairos.ops.bounded_check import BoundedCheck
from tests.servers import wait_until


class Server:
    """Answers with how often it was asked, when it is let."""

    def __init__(self):
        self.is_up = threading.Event()
        self.asked = 0

    def ask(self):
        self.asked += 1
        self.is_up.wait()
        return self.asked


def test_who_waits_for_a_server_that_hangs_is_told_so_and_asks_it_no_second_time():
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


def test_what_the_question_raises_its_caller_hears():
    check = BoundedCheck("test", lambda: 1 / 0, within_s=30)
    with pytest.raises(ZeroDivisionError):
        check.result()


def test_a_server_whose_answers_take_longer_than_that_moment_is_heard_again_after_a_failure(monkeypatch):
    """A check of many round trips, say: asked and waited for briefly each time, it would have failed for good."""
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
