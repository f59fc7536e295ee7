"""Which state is shown and which events are delivered, frame by frame."""

from __future__ import annotations

from typing import Any

from synckairos_client.tracking import Tracker

EPOCH = "one"


def events(*versions: int) -> list[dict[str, Any]]:
    """One event for each version."""
    return [{"type": "cycle.switched", "sequence": version, "version": version} for version in versions]


def state(version: int) -> dict[str, Any]:
    """As much of a state as matters here."""
    return {"version": version}


def connected(version: int, epoch: str = EPOCH) -> dict[str, Any]:
    return {"epoch": epoch, "version": version, "state": state(version)}


def update(since: int, version: int, epoch: str = EPOCH) -> dict[str, Any]:
    delivered = events(*range(since + 1, version + 1))
    return {"epoch": epoch, "version": version, "since_version": since, "events": delivered, "state": state(version)}


def sync(since: int | None, version: int, epoch: str = EPOCH) -> dict[str, Any]:
    missed = [] if since is None else events(*range(since + 1, version + 1))
    return {
        "epoch": epoch,
        "version": version,
        "since_version": since,
        "recovered": since is not None,
        "missed": missed,
        "state": state(version),
    }


def versions(change: Any) -> list[int]:
    return [event["version"] for event in change.events]


def at(version: int) -> Tracker:
    """A tracker that has been connected at this version."""
    tracker = Tracker()
    assert tracker.connected(connected(version)).is_new_session
    return tracker


def test_the_first_state_is_news_without_events_and_leaves_no_question():
    tracker = at(5)
    assert (tracker.version, tracker.epoch, tracker.state) == (5, EPOCH, state(5))
    assert tracker.reconnect_frame(0) is None


def test_updates_that_follow_on_are_delivered_at_once_also_those_of_several_versions():
    tracker = at(1)
    assert versions(tracker.updated(update(1, 2))) == [2]
    change = tracker.updated(update(2, 5))
    assert versions(change) == [3, 4, 5]
    assert change.events[0]["epoch"] == EPOCH
    assert tracker.reconnect_frame(0) is None


def test_a_gap_shows_the_state_holds_back_the_events_and_asks_for_all_of_them():
    tracker = at(1)
    change = tracker.updated(update(3, 4))
    assert change.has_new_state
    assert tracker.version == 4
    assert change.events == ()
    assert tracker.reconnect_frame(0) == {"type": "RECONNECT", "last_version": 1, "epoch": EPOCH}
    assert versions(tracker.synced(sync(1, 4))) == [2, 3, 4]
    assert tracker.reconnect_frame(0) is None


def test_updates_while_the_reconnect_is_unanswered_are_delivered_by_its_answer_in_their_place():
    tracker = at(1)
    tracker.updated(update(3, 4))
    assert tracker.reconnect_frame(0) is not None
    assert tracker.updated(update(4, 5)).events == ()
    assert tracker.reconnect_frame(100) is None  # one question at a time
    assert versions(tracker.synced(sync(1, 5))) == [2, 3, 4, 5]
    assert versions(tracker.updated(update(5, 6))) == [6]


def test_an_answer_older_than_the_state_does_not_take_it_back_and_the_rest_is_asked_for():
    tracker = at(1)
    tracker.updated(update(3, 4))
    tracker.reconnect_frame(0)
    tracker.updated(update(5, 6))
    assert versions(tracker.synced(sync(1, 4))) == [2, 3, 4]
    assert tracker.version == 6
    assert tracker.reconnect_frame(0) == {"type": "RECONNECT", "last_version": 4, "epoch": EPOCH}


def test_a_question_without_an_answer_is_asked_again():
    tracker = at(1)
    tracker.updated(update(3, 4))
    assert tracker.reconnect_frame(0) is not None
    assert tracker.reconnect_frame(2_999) is None
    assert tracker.reconnect_frame(3_000) is not None


def test_events_that_cannot_be_had_any_more_are_said_to_be_missing_and_those_after_are_delivered():
    tracker = at(1)
    tracker.updated(update(39, 40))
    tracker.reconnect_frame(0)
    change = tracker.synced(sync(None, 41))
    assert change.resynced
    assert change.events == ()
    assert tracker.version == 41
    assert versions(tracker.updated(update(41, 42))) == [42]


def test_no_event_is_delivered_twice():
    tracker = at(1)
    tracker.updated(update(1, 3))
    assert tracker.updated(update(1, 3)).events == ()
    assert versions(tracker.updated(update(2, 4))) == [4]
    assert versions(tracker.synced(sync(2, 5))) == [5]


def test_an_older_state_of_the_same_epoch_is_not_shown():
    tracker = at(5)
    assert not tracker.updated(update(3, 4)).has_new_state
    assert tracker.version == 5


def test_after_a_reconnect_the_events_since_are_asked_for():
    tracker = at(2)
    change = tracker.connected(connected(6))
    assert change.has_new_state
    assert not change.is_new_session
    assert tracker.reconnect_frame(0) == {"type": "RECONNECT", "last_version": 2, "epoch": EPOCH}
    assert versions(tracker.synced(sync(2, 6))) == [3, 4, 5, 6]


def test_a_connection_that_breaks_before_the_answer_leaves_the_question_for_the_next_one():
    tracker = at(2)
    tracker.connected(connected(6))
    tracker.reconnect_frame(0)
    tracker.connected(connected(7))
    assert tracker.reconnect_frame(1) == {"type": "RECONNECT", "last_version": 2, "epoch": EPOCH}


def test_another_epoch_is_another_session_whatever_its_version():
    tracker = at(9)
    change = tracker.updated(update(0, 1, epoch="two"))
    assert change.is_new_session
    assert versions(change) == [1]
    assert (tracker.epoch, tracker.version) == ("two", 1)
    assert tracker.connected(connected(4, epoch="three")).is_new_session
    assert tracker.reconnect_frame(0) is None


def test_a_session_that_does_not_exist_yet_is_no_state_and_all_its_events_are_delivered_when_it_does():
    for shows_up in (update(0, 1), update(1, 2)):
        tracker = Tracker()
        nobody = {"epoch": None, "version": None, "state": None}
        assert not tracker.connected(nobody).is_deleted
        assert (tracker.state, tracker.version) == (None, 0)
        change = tracker.updated(shows_up)
        assert change.is_new_session
        if versions(change) != [1]:
            assert tracker.reconnect_frame(0) == {"type": "RECONNECT", "last_version": 0, "epoch": EPOCH}


def test_a_session_awaited_and_made_while_the_connection_was_away_has_its_events_asked_for():
    tracker = Tracker()
    tracker.connected({"epoch": None, "version": None, "state": None})
    assert tracker.connected(connected(2)).is_new_session
    assert tracker.reconnect_frame(0) == {"type": "RECONNECT", "last_version": 0, "epoch": EPOCH}


def test_a_session_that_was_shown_and_is_not_there_any_more_is_gone():
    assert at(3).connected({"epoch": None, "version": None, "state": None}).is_deleted


def test_what_the_store_has_lost_is_taken_back_on_a_new_connection_only_and_said_so():
    tracker = at(7)
    change = tracker.connected(connected(2))
    assert change.resynced
    assert tracker.version == 2
    assert versions(tracker.updated(update(2, 3))) == [3]
