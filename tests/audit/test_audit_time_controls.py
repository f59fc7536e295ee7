"""Sessions with time controls, corrections and lag in the audit: rows, replays and the admin's pages."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from audit import selectors
from audit.models import SyncEvent, SyncParticipant, SyncSession
from sessions.services import sessions
from synckairos.auth.principal import SYSTEM
from synckairos.engine import commands as cmd
from synckairos.engine.notation import parse
from synckairos.engine.units import SyncMode
from synckairos.instants import from_datetime
from synckairos.redis.procedures import run_blocking
from tests.outboxes import History, creation, drained, post

pytestmark = pytest.mark.django_db

TEXTS = (
    *("60", "60+2 cap 90", "60+2 first", "60B5", "60+5d", "20 allowance 10", "30 per turn", "10 5x30 byo-yomi"),
    *("10 3/60 Canadian", "*60", "10 overtime 120 -5/30", "2/60+5:10 3x20 byo-yomi", "10 timed:30+5"),
)


def controlled(text, mode=SyncMode.PER_PARTICIPANT, **fields):
    """A creation of two clocks with this control."""
    teams = [uuid4(), uuid4()]
    per_group = mode is SyncMode.PER_GROUP
    return cmd.Create.of(
        sync_mode=mode,
        participants=tuple(cmd.Seat(uuid4(), None, group_id=team if per_group else None) for team in teams),
        groups=tuple(cmd.GroupBank(team, None) for team in teams) if per_group else (),
        time_control=parse(text),
        action_on_timeout={"type": "skip_cycle"},
        **fields,
    )


def played(create):
    """A history with turns that last into the phases, and every correction."""
    history = History(create)
    first, second = (p.participant_id for p in history.state.participants)
    for command, after_ms in [
        *((cmd.AdjustClock(adjust_ms=1), 5), (cmd.AssignTurn(second, "She begins."), 5), (cmd.Start(), 5)),
        *(
            (cmd.Switch(think_ms=3_900, measured_ms=80), 4_000),
            (cmd.Switch(), 12_000),
            (cmd.UndoSwitch("a slip"), 1_000),
        ),
        *((cmd.Switch(measured_ms=30), 2_000), (cmd.Pause(), 7_000), (cmd.AdjustClock(at_least_ms=9_000), 5)),
        *((cmd.Resume(), 5), (cmd.AssignTurn(first), 3_000), (cmd.Switch(), 20_000), (cmd.Switch(), 25_000)),
        *((cmd.AdjustClock(set_ms=0, reason="late"), 1_000), (cmd.Complete(), 5)),
    ]:
        if history.state.status.is_final:
            break
        history.do(command, after_ms)
    return history


def kept(history):
    """The session row of a history that was written to the audit."""
    post(*history.entries)
    drained()
    return SyncSession.objects.get(session_id=history.state.session_id)


@pytest.mark.parametrize("mode", [SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP])
@pytest.mark.parametrize("text", TEXTS)
def test_a_replay_of_every_control_equals_the_state(text, mode):
    history = played(controlled(text, mode, compensates_lag=True, warning_thresholds_ms=(8_000,)))
    row = kept(history)
    assert selectors.replayed_state(row) == history.state
    assert list(selectors.rebuilt_events(row)) == [event for entry in history.entries for event in entry.events]
    seats = {seat.participant_id: seat for seat in SyncParticipant.objects.all()}
    for p in history.state.participants:
        seat = seats[p.participant_id]
        assert (seat.total_time_ms, seat.time_used_ms, seat.cycle_count, seat.has_expired) == (
            *(p.total_time_ms, p.time_used_ms, p.cycle_count, p.has_expired),
        )


def test_participants_with_controls_of_their_own_replay():
    sides = [parse("60+2"), parse("10 5x30 byo-yomi")]
    create = cmd.Create.of(
        SyncMode.PER_PARTICIPANT, tuple(cmd.Seat(uuid4(), None, time_control=control) for control in sides)
    )
    newcomer = cmd.Seat(uuid4(), None, time_control=parse("20 allowance 10"))
    history = History(create).do(cmd.Start()).do(cmd.AddParticipant(newcomer)).do(cmd.Switch(), 15_000)
    row = kept(history)
    assert selectors.replayed_state(row) == history.state
    assert [p.time_control for p in history.state.participants] == [*sides, newcomer.time_control]


def test_a_real_session_replays_from_its_rows(real):
    state = real(controlled("60 5x30 byo-yomi", compensates_lag=True))
    first = state.participants[0].participant_id
    for command in [
        *(cmd.Start(), cmd.AdjustClock(set_ms=0), cmd.Switch(think_ms=0, measured_ms=1), cmd.UndoSwitch("a slip")),
        *(cmd.Switch(), cmd.AssignTurn(first), cmd.AdjustClock(adjust_ms=-5_000), cmd.AdjustClock(at_least_ms=40_000)),
    ]:
        state = real(state.session_id, command)
    drained()
    stored = run_blocking(sessions.get(state.session_id, SYSTEM)).state
    assert selectors.replayed_state(selectors.session_get(state.session_id)) == stored == state
    kinds = list(SyncEvent.objects.order_by("sequence").values_list("type", flat=True))
    assert kinds == [
        *("session.created", "session.started", "clock.adjusted", "clock.phase_changed", "cycle.switched"),
        *("cycle.undone", "cycle.switched", "cycle.assigned", "clock.adjusted", "clock.adjusted"),
    ]


def row_of(kind):
    """The only row of an event type."""
    return SyncEvent.objects.get(type=kind)


def test_a_phase_change_that_was_applied_late_stands_at_its_own_instant():
    history = History(controlled("10 5x30 byo-yomi")).do(cmd.Start()).do(cmd.Switch(), 85_000)
    started_ms = history.now - 85_000
    kept(history)
    rows = SyncEvent.objects.filter(type="clock.phase_changed").order_by("sequence")
    assert [from_datetime(row.at) - started_ms for row in rows] == [10_000, 40_000, 70_000]
    assert {from_datetime(row.committed_at) for row in rows} == {history.now + 5}
    assert {row.principal for row in rows} == {"timekeeper"}
    first = history.state.participants[0].participant_id
    assert rows[1].data == {
        "participant_id": str(first),
        "group_id": None,
        "left_ms": 30_000,
        "progress": {"phase": "byo_yomi", "turns": 0, "periods": 4, "reserve_ms": 0, "stage": 0},
    }


def test_the_rows_of_corrections_say_what_was_done_by_whom_and_why():
    history = History(creation()).do(cmd.Start()).do(cmd.Switch(), 4_000)
    first, second = (str(p.participant_id) for p in history.state.participants)
    history.do(cmd.UndoSwitch("a slip"), 1_000, "carol")
    history.do(cmd.AdjustClock(adjust_ms=-2_000, reason="late"), 1_000, "dan")
    history.do(cmd.AssignTurn(history.state.participants[1].participant_id, "It is hers."), 1_000, "erin")
    kept(history)
    undone, adjusted, assigned = (row_of(kind) for kind in ("cycle.undone", "clock.adjusted", "cycle.assigned"))
    assert [row.principal for row in (undone, adjusted, assigned)] == ["carol", "dan", "erin"]
    assert undone.data == {"from_participant_id": second, "to_participant_id": first, "reason": "a slip"}
    assert adjusted.data == {
        "participant_id": first,
        "group_id": None,
        "left_ms": 52_000,
        "by_ms": -2_000,
        "reason": "late",
    }
    assert assigned.data == {
        "from_participant_id": first,
        "to_participant_id": second,
        "left_ms": 51_000,
        "progress": None,
        "reason": "It is hers.",
    }


def test_the_row_of_a_switch_says_what_it_left_and_earned_and_the_lag_of_its_turn():
    create = controlled("60+2", compensates_lag=True)
    history = History(create).do(cmd.Start()).do(cmd.Switch(think_ms=3_000, measured_ms=90), 4_000)
    kept(history)
    data = row_of("cycle.switched").data
    assert {name: data[name] for name in ("turn_ms", "left_ms", "earned_ms", "gained_ms", "penalty_points")} == {
        "turn_ms": 4_000,
        "left_ms": 60_000 - 4_000 + 90 + 2_000,
        "earned_ms": 2_000,
        "gained_ms": 0,
        "penalty_points": 0,
    }
    assert (data["lag"]["claimed_ms"], data["lag"]["measured_ms"], data["lag"]["granted_ms"]) == (1_000, 90, 90)
    assert data["lag"]["account"]["uncompensated_ms"] == 910


# ── the admin ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("root"))
    return client


def page(name, model, *args):
    return reverse(f"admin:audit_{model._meta.model_name}_{name}", args=args)


def test_staff_see_a_session_with_controls_and_corrections(staff, django_assert_max_num_queries):
    row = kept(played(controlled("10 5x30 byo-yomi", compensates_lag=True)))
    with django_assert_max_num_queries(9):
        shown = staff.get(page("change", SyncSession, row.pk))
    assert shown.status_code == 200
    for kind in ("clock.phase_changed", "clock.adjusted", "cycle.undone", "cycle.assigned"):
        assert kind in shown.text
        listed = staff.get(page("changelist", SyncEvent), {"type__exact": kind})
        assert {event.type for event in listed.context["cl"].result_list} == {kind}


def test_staff_see_the_facts_of_each_new_event(staff):
    kept(played(controlled("10 5x30 byo-yomi")))
    for kind, fact in {
        "clock.phase_changed": "byo_yomi",
        "clock.adjusted": "by_ms",
        "cycle.undone": "a slip",
        "cycle.assigned": "She begins.",
        "session.created": "period_ms",
    }.items():
        event = SyncEvent.objects.filter(type=kind).first()
        shown = staff.get(page("change", SyncEvent, event.pk))
        assert shown.status_code == 200
        assert fact in shown.text


def test_every_control_and_every_participant_has_a_page(staff):
    for text in TEXTS:
        row = kept(played(controlled(text, compensates_lag=True)))
        assert staff.get(page("change", SyncSession, row.pk)).status_code == 200
        assert staff.get(page("change", SyncParticipant, row.participants.first().pk)).status_code == 200
