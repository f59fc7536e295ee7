"""A timekeeper that was away applies phases and expiries at their own instants, in order, and the audit tells so."""

from __future__ import annotations

import asyncio
import signal
import time
from itertools import pairwise
from uuid import uuid4

import pytest
from msgspec.structs import replace

from audit import selectors
from sessions.timekeeping.keeper import Timekeeper
from synckairos import stored_state
from synckairos.engine import observe
from synckairos.engine.commands import AdjustClock, Pause, Resume, Seat, Switch, UndoSwitch
from synckairos.engine.notation import parse
from synckairos.instants import from_datetime
from synckairos.ops import timekeepers
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import send_blocking
from tests import servers
from tests.clocked import Clock
from tests.outboxes import drained

pytestmark = pytest.mark.django_db
HOUR_MS = 3_600_000
SKIP = {"action_on_timeout": {"type": "skip_cycle"}}
END = {"action_on_timeout": {"type": "end_session"}}


@pytest.fixture
def an_hour_ago():
    return Clock(int(time.time() * 1000) - HOUR_MS)


def stored(session_id):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))


def nothing_overdue():
    """Return true when no deadline of the past waits."""
    now_ms = time.time() * 1000
    return not redis_client.blocking_client().zcount(keys.deadlines(0), 0, now_ms)


def caught_up():
    """Serve as a timekeeper that has just started, until nothing is overdue."""

    async def main():
        keeper = Timekeeper()
        try:
            for _ in range(200):
                await keeper.apply_shard(0)
                if nothing_overdue():
                    return
        finally:
            await redis_client.close_async_client()

    asyncio.run(main())
    assert nothing_overdue()


def told(session_id, clock):
    """What the audit has of a session since its start, as (seconds after it, event, a fact of the event)."""
    drained()
    row = selectors.session_get(session_id)
    rows = list(selectors.session_events(row))
    begun = next(event for event in rows if event.type == "session.started")
    assert from_datetime(begun.at) == clock.now_ms
    later = rows[rows.index(begun) + 1 :]
    assert selectors.replayed_state(row) == stored(session_id)
    assert {event.principal for event in later} == {"timekeeper"}
    # None was committed before it was due, and the whole history in the order of its instants.
    assert all(event.committed_at >= event.at for event in later)
    assert all(one.at <= two.at and one.sequence + 1 == two.sequence for one, two in pairwise(rows))
    return [((from_datetime(event.at) - clock.now_ms) / 1000, event.type, fact_of(event.data)) for event in later]


def fact_of(data):
    """The part of an event that tells it from others of its type."""
    if "progress" in data and "left_ms" in data and "turn_ms" not in data:
        return data["progress"]["periods"] or data["progress"]["phase"]
    return data.get("threshold_ms")


def periods(begin_s, count=5, each_s=30):
    """The phases of byo-yomi whose main time ends at that second."""
    return [(begin_s + each_s * n, "clock.phase_changed", count - n) for n in range(count)]


BYO_YOMI = {"time_control": parse("600 5x30 byo-yomi")}
HISTORIES = {
    "the game ends": (
        {**BYO_YOMI, **END},
        [*periods(600), (750.0, "participant.expired", None), (750.0, "session.expired", None)],
    ),
    "the turn passes": (
        {**BYO_YOMI, **SKIP},
        [
            *periods(600),
            (750.0, "participant.expired", None),
            (750.0, "cycle.switched", None),
            *periods(1_350),
            (1_500.0, "participant.expired", None),
            (1_500.0, "session.expired", None),
        ],
    ),
    "nothing but a notice": (BYO_YOMI, [*periods(600), (750.0, "participant.expired", None)]),
    "warnings in every phase": (
        {"time_control": parse("60 2x30 byo-yomi"), "warning_thresholds_ms": (20_000, 10_000), **END},
        [
            *((40.0, "participant.warned", 20_000), (50.0, "participant.warned", 10_000)),
            (60.0, "clock.phase_changed", 2),
            *((70.0, "participant.warned", 20_000), (80.0, "participant.warned", 10_000)),
            (90.0, "clock.phase_changed", 1),
            *((100.0, "participant.warned", 20_000), (110.0, "participant.warned", 10_000)),
            *((120.0, "participant.expired", None), (120.0, "session.expired", None)),
        ],
    ),
    "canadian": (
        {"time_control": parse("600 15/300 Canadian"), **END},
        [
            (600.0, "clock.phase_changed", "block"),
            *((900.0, "participant.expired", None), (900.0, "session.expired", None)),
        ],
    ),
    "overtime": (
        {"time_control": parse("600 overtime 300"), **END},
        [
            (600.0, "clock.phase_changed", "overtime"),
            *((900.0, "participant.expired", None), (900.0, "session.expired", None)),
        ],
    ),
    "stages by time": (
        {"time_control": parse("600 timed:300+5d timed:60 2x10 byo-yomi"), **END},
        [
            *((600.0, "clock.phase_changed", "main"), (900.0, "clock.phase_changed", "main")),
            *((960.0, "clock.phase_changed", 2), (970.0, "clock.phase_changed", 1)),
            *((980.0, "participant.expired", None), (980.0, "session.expired", None)),
        ],
    ),
    "an allowance, then the bank": (
        {"time_control": parse("60 allowance 15"), **SKIP},
        [
            *((15.0, "clock.phase_changed", "bank"), (75.0, "participant.expired", None)),
            *((75.0, "cycle.switched", None), (90.0, "clock.phase_changed", "bank")),
            *((150.0, "participant.expired", None), (150.0, "session.expired", None)),
        ],
    ),
    "an hourglass": (
        {"time_control": parse("*180"), **END},
        [(180.0, "participant.expired", None), (180.0, "session.expired", None)],
    ),
}


def started(clock, options):
    """A session that began at the clock's instant; its participants have the time of the control."""
    return clock.start(participants=tuple(Seat(uuid4(), None) for _ in range(2)), **options)


@pytest.mark.parametrize("name", HISTORIES)
def test_an_hour_later_everything_stands_at_its_own_instant(an_hour_ago, name):
    options, expected = HISTORIES[name]
    session_id = started(an_hour_ago, options)
    before = stored(session_id)
    caught_up()
    assert told(session_id, an_hour_ago) == expected
    now = int(time.time() * 1000)
    after = stored(session_id)
    assert after == replace(
        observe(before, now, limit=10_000).state, digest=after.digest
    )  # which the commits have made


def test_turns_that_the_clock_ends_follow_each_other_all_the_hour(an_hour_ago):
    """More transitions than one portion holds."""
    session_id = started(an_hour_ago, {"time_control": parse("30 per turn"), **SKIP})
    caught_up()
    happened = told(session_id, an_hour_ago)
    turns = len(happened) // 2
    assert turns >= 120
    assert [at_s for at_s, _, _ in happened] == [30.0 * (n // 2 + 1) for n in range(2 * turns)]
    assert {kind for _, kind, _ in happened[::2]} == {"participant.expired"}
    assert {kind for _, kind, _ in happened[1::2]} == {"cycle.switched"}
    assert stored(session_id).cycle.number == turns


def test_what_was_done_before_it_went_counts(an_hour_ago):
    """A pause within a period, a correction and a switch that was taken back move what follows."""
    begun_ms = an_hour_ago.now_ms
    session_id = started(an_hour_ago, {**BYO_YOMI, **END})
    an_hour_ago.now_ms += 620_000
    an_hour_ago.do(session_id, Pause())  # 10 s of the first period are left
    an_hour_ago.now_ms += 100_000
    an_hour_ago.do(session_id, Resume())
    an_hour_ago.do(session_id, AdjustClock(adjust_ms=7_000))
    an_hour_ago.now_ms += 1_000
    an_hour_ago.do(session_id, Switch())
    an_hour_ago.now_ms += 2_000
    state = an_hour_ago.do(session_id, UndoSwitch()).state
    assert state.participants[0].progress.periods == 5
    caught_up()
    drained()
    rows = selectors.session_events(selectors.session_get(session_id))
    later = [row for row in rows if row.principal == "timekeeper" and row.sequence > state.sequence]
    assert [((from_datetime(row.at) - begun_ms) / 1000, row.type) for row in later] == [
        *((737.0 + 30 * n, "clock.phase_changed") for n in range(4)),
        *((857.0, "participant.expired"), (857.0, "session.expired")),
    ]


def test_of_many_sessions_each_has_its_own_order(an_hour_ago):
    begun = {}
    for number in range(40):
        options, expected = list(HISTORIES.values())[number % len(HISTORIES)]
        clock = Clock(an_hour_ago.now_ms + 7_777 * number)
        begun[started(clock, options)] = clock, expected
    caught_up()
    for session_id, (clock, expected) in begun.items():
        assert told(session_id, clock) == expected


@pytest.fixture
def killed_keeper():
    """A timekeeper that has served, and was killed."""
    keeper = servers.managed("timekeeper")
    servers.wait_until(lambda: send_blocking(timekeepers.shard_status(0)).holder, 30, "it serves")
    keeper.stop(signal.SIGKILL)
    return keeper


def test_a_timekeeper_that_is_started_again_after_an_hour_does_so_too(killed_keeper, an_hour_ago):
    sessions = {started(an_hour_ago, options): expected for options, expected in HISTORIES.values()}
    assert not nothing_overdue()
    killed_keeper.start()
    try:
        servers.wait_until(nothing_overdue, 60, "everything is applied")
    finally:
        assert killed_keeper.stop(signal.SIGTERM) == 0
    for session_id, expected in sessions.items():
        assert told(session_id, an_hour_ago) == expected
