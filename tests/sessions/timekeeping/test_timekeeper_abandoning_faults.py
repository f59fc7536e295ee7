"""Idle sessions whose end cannot be committed: nothing is lost, nobody is held up, and the log is not flooded."""

from __future__ import annotations

import pytest

from sessions.services import retention
from sessions.store import writes
from sessions.timekeeping.idle_reviews import BATCH
from tests.filling import full
from tests.sessions.timekeeping.test_timekeeper_abandoning import DAY, ago, review, rounds, stored


@pytest.fixture(autouse=True)
def _kept(monkeypatch):
    """The store keeps what a test says was done long ago."""
    monkeypatch.setattr(retention, "GRACE_MS", 400 * DAY)


def test_while_the_store_is_full_that_is_said_once_and_when_there_is_room_they_are_let_go(caplog):
    sessions = [ago(40).create() for _ in range(BATCH)]
    with full():
        rounds(5)
    assert (caplog.text.count("The state store is full"), caplog.text.count("idle session")) == (1, 0)
    review()
    assert {stored(session_id).status for session_id in sessions} == {"cancelled"}


def test_sessions_whose_end_the_store_does_not_take_keep_no_others_waiting(monkeypatch):
    """More of them than are looked at together, and longer overdue."""
    broken = {ago(50).create() for _ in range(BATCH)}
    fine = ago(40).create()
    commit = writes.commit

    def refused(write, **options):
        call = commit(write, **options)
        if write.session_id in broken:
            call.args[2] = "sometime"  # no instant, which the store finds out
        return call

    monkeypatch.setattr(writes, "commit", refused)
    review(times=2)
    assert {stored(session_id).status for session_id in broken} == {"pending"}
    assert stored(fine).status == "cancelled"
