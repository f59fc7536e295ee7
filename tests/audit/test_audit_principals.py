"""Whom the audit names: what deadlines have caused is the timekeeper's, whoever has committed it."""

import msgspec
import pytest

from audit.models import SyncEvent, SyncSession
from synckairos import outbox
from synckairos.engine.commands import AdjustTime, Complete, Pause, Start, Switch
from synckairos.engine.units import SyncMode
from tests.clocked import ALICE, Clock
from tests.outboxes import History, drained, post

pytestmark = pytest.mark.django_db

ALICE_S, KEEPERS = ALICE.principal.subject, "timekeeper"


@pytest.fixture
def clock():
    return Clock()


def named():
    """Type and principal of all events, in order."""
    drained()
    return list(SyncEvent.objects.order_by("sequence").values_list("type", "principal"))


def test_a_pause_after_deadlines_that_nobody_applied_has_expired_nobody(clock):
    skipping = {"sync_mode": SyncMode.PER_CYCLE, "time_per_cycle_ms": 1_000, "auto_advance": True}
    session_id = clock.start(**skipping)
    clock.now_ms += 2_500
    clock.do(session_id, Pause())
    assert named() == [
        *(("session.created", ALICE_S), ("session.started", ALICE_S)),
        *(("participant.expired", KEEPERS), ("cycle.switched", KEEPERS)) * 2,
        ("session.paused", ALICE_S),
    ]
    first, *_ = SyncEvent.objects.filter(principal=KEEPERS).order_by("sequence")
    assert first.request_id == ALICE.request_id  # in whose request it was committed


def test_a_switch_after_the_end_of_a_clock_is_the_commander_s_own(clock):
    session_id = clock.start(warning_thresholds_ms=(10_000,))
    clock.now_ms += 61_000
    clock.do(session_id, Switch())
    assert named()[2:] == [
        *(("participant.warned", KEEPERS), ("participant.expired", KEEPERS)),
        ("cycle.switched", ALICE_S),
    ]


def test_what_an_adjustment_makes_due_at_its_very_instant_is_the_timekeeper_s(clock):
    session_id = clock.start(action_on_timeout={"type": "end_session"})
    clock.now_ms += 1_000
    (expiring,) = [p for p in clock.do(session_id, Switch()).state.participants if p.time_used_ms == 0]
    clock.do(session_id, AdjustTime(expiring.participant_id, total_time_ms=0))
    assert named()[3:] == [
        ("participant.adjusted", ALICE_S),
        *(("participant.expired", KEEPERS), ("session.expired", KEEPERS)),
    ]


def test_a_scheduled_start_that_lies_in_the_past_is_the_timekeeper_s_and_the_session_its_creator_s(clock):
    clock.create(start_at_ms=clock.now_ms - 5_000)
    assert named() == [("session.created", ALICE_S), ("session.started", KEEPERS)]
    assert SyncSession.objects.get().created_by == ALICE_S


def test_a_command_without_deadlines_names_its_commander_alone(clock):
    session_id = clock.start()
    clock.do(session_id, Complete())
    assert {principal for _, principal in named()} == {ALICE_S}


def test_an_entry_of_before_events_were_told_apart_names_its_commander(clock):
    history = History().do(Start()).do(Switch(), after_ms=61_000, principal="bob")
    stored = (msgspec.msgpack.decode(outbox.encode(entry)) for entry in history.entries)
    post(*(msgspec.msgpack.encode(fields[:11]) for fields in stored))
    assert [principal for _, principal in named()] == ["alice", *["bob"] * 4]
