"""From pending to the end: which command fits which status, and what guards it."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from synckairos.engine import Status, decide
from synckairos.engine import commands as cmd
from synckairos.engine.refusals import NoSuchParticipant, NotActive, PreconditionFailed, VersionMismatch, WrongStatus

NOBODY_ID = UUID(int=99)

COMMANDS = {
    "start": cmd.Start(),
    "pause": cmd.Pause(),
    "resume": cmd.Resume(),
    "switch": cmd.Switch(),
    "complete": cmd.Complete(),
    "cancel": cmd.Cancel(),
    "delete": cmd.Delete(),
    "add a participant to": cmd.AddParticipant(cmd.Seat(NOBODY_ID, 1_000)),
}
LEADS_TO = {
    "pending": {
        "start": "running",
        "complete": "completed",
        "cancel": "cancelled",
        "delete": "cancelled",
        "add a participant to": "pending",
        "adjust time in": "pending",
    },
    "running": {
        "pause": "paused",
        "switch": "running",
        "complete": "completed",
        "cancel": "cancelled",
        "delete": "cancelled",
        "add a participant to": "running",
        "adjust time in": "running",
    },
    "paused": {
        "resume": "running",
        "complete": "completed",
        "cancel": "cancelled",
        "delete": "cancelled",
        "add a participant to": "paused",
        "adjust time in": "paused",
    },
    "completed": {"delete": "completed"},
    "expired": {"delete": "expired"},
    "cancelled": {"delete": "cancelled"},
}
EVERY_CASE = [(status, verb) for status in LEADS_TO for verb in (*COMMANDS, "adjust time in")]


@pytest.fixture
def in_status(session):
    """A session brought into a status by 1 000."""

    def bring(status):
        ends = status == "expired"
        s = session("per_participant", {"A": 1_000 if ends else 60_000, "B": 60_000}, on_timeout="end_session")
        if status in {"running", "paused", "expired"}:
            s.start(0)
        if status == "paused":
            s.pause(1_000)
        if status == "completed":
            s.complete(1_000)
        if status == "cancelled":
            s.cancel(1_000)
        s.look(1_000)
        assert s.status == status
        return s

    return bring


def command_of(verb, ident):
    return COMMANDS.get(verb) or cmd.AdjustTime(ident("A"), total_time_ms=50_000)


@pytest.mark.parametrize(
    ("status", "verb", "after"),
    [(status, verb, after) for status, verbs in LEADS_TO.items() for verb, after in verbs.items()],
)
def test_a_fitting_command_leads_to_the_next_status_in_one_version(in_status, ident, status, verb, after):
    s = in_status(status)
    version, sequence = s.version, s.state.sequence
    decision = s.do(command_of(verb, ident), 2_000)
    assert s.status == after
    assert (s.version, s.state.sequence, len(decision.events)) == (version + 1, sequence + 1, 1)
    assert s.state.updated_ms == decision.events[0].at_ms == 2_000


@pytest.mark.parametrize(("status", "verb"), [case for case in EVERY_CASE if case[1] not in LEADS_TO[case[0]]])
def test_any_other_command_is_refused_and_names_the_status(in_status, ident, status, verb):
    s = in_status(status)
    before = s.state
    with pytest.raises(WrongStatus) as refused:
        s.do(command_of(verb, ident), 2_000)
    assert str(refused.value) == f"cannot {verb} a session that is {status}"
    assert (refused.value.verb, refused.value.status) == (verb, Status(status))
    assert s.state == before


@pytest.mark.parametrize("status", list(Status))
def test_the_three_ends_are_final_and_the_rest_is_not(status):
    assert status.is_final is (status.value in {"completed", "expired", "cancelled"})


def test_a_new_session_waits_at_version_one_with_nobody_active(session):
    s = session("per_participant", at=500)
    assert (s.status, s.version, s.state.sequence, s.active) == ("pending", 1, 1, None)
    assert (s.state.created_ms, s.state.updated_ms, s.state.started_ms) == (500, 500, None)
    assert s.deadline is None


def test_a_started_session_knows_when_it_started_and_who_is_active(session, ident):
    s = session("per_participant").start(700)
    assert (s.state.started_ms, s.active, s.state.cycle.number) == (700, "A", 0)
    assert s.last("session.started").participant_id == ident("A")


@pytest.mark.parametrize("end", ["complete", "cancel", "delete"])
def test_an_end_charges_the_open_cycle_and_leaves_nobody_active(session, end):
    s = session("per_participant").start(0)
    getattr(s, end)(4_000)
    assert (s.seat("A").time_used_ms, s.seat("A").total_time_ms, s.state.running_ms) == (4_000, 56_000, 4_000)
    assert (s.active, s.state.completed_ms, s.deadline) == (None, 4_000, None)


@pytest.mark.parametrize("end", ["complete", "cancel", "delete"])
def test_an_end_counts_no_cycle(session, end):
    s = session("per_participant").start(0)
    s.switch(1_000)
    getattr(s, end)(4_000)
    assert (s.seat("A").cycle_count, s.seat("B").cycle_count, s.state.cycle.number) == (1, 0, 1)


def test_an_end_while_paused_charges_nothing_more(session):
    s = session("per_participant").start(0)
    s.pause(4_000)
    s.complete(9_000)
    assert (s.seat("A").time_used_ms, s.state.running_ms, s.state.completed_ms) == (4_000, 4_000, 9_000)


def test_a_finished_session_stays_as_it_is_however_long_one_looks(session):
    s = session("per_participant").start(0)
    s.complete(4_000)
    assert s.look(90_000_000).events == ()


def test_a_session_can_end_without_having_started(session):
    s = session("per_participant")
    s.complete(4_000)
    assert (s.state.started_ms, s.state.completed_ms, s.state.running_ms) == (None, 4_000, 0)


def test_a_scheduled_session_starts_by_itself_at_its_instant(session):
    s = session("per_participant", start_at_ms=5_000)
    assert s.deadline == ("start", 5_000)
    assert s.look(4_999).events == ()
    s.look(7_000)
    assert (s.status, s.state.started_ms, s.left("A", 7_000)) == ("running", 5_000, 58_000)


def test_a_scheduled_session_starts_at_equality(session):
    s = session("per_participant", start_at_ms=5_000)
    s.look(5_000)
    assert s.happened() == [("session.started", 5_000)]


def test_a_schedule_in_the_past_starts_at_creation(session):
    s = session("per_participant", at=9_000, start_at_ms=5_000)
    assert (s.status, s.state.started_ms, s.version) == ("running", 9_000, 2)


def test_a_creation_with_a_schedule_in_the_past_leaves_nothing_due(session):
    """Its first threshold is all there is: it was reached as the clock began to run."""
    s = session("per_participant", at=9_000, start_at_ms=5_000, warn_at=[60_000, 30_000])
    assert s.look(9_000).events == ()
    assert s.happened() == [("session.started", 9_000), ("participant.warned", 9_000)]
    assert (s.version, s.deadline) == (3, ("warning", 39_000))


def test_a_scheduled_session_may_be_started_before(session):
    s = session("per_participant", start_at_ms=5_000).start(1_000)
    s.look(6_000)
    assert s.happened() == [("session.started", 1_000)]


def test_a_start_after_the_scheduled_one_is_refused(session):
    s = session("per_participant", start_at_ms=5_000)
    with pytest.raises(WrongStatus, match="cannot start a session that is running"):
        s.start(6_000)


def test_a_command_after_the_scheduled_start_finds_the_session_running(session):
    s = session("per_participant", start_at_ms=5_000)
    s.pause(6_500)
    assert s.happened() == [("session.started", 5_000), ("session.paused", 6_500)]
    assert s.used("A", 6_500) == 1_500


def test_a_cancelled_session_does_not_start_by_schedule(session):
    s = session("per_participant", start_at_ms=5_000)
    s.cancel(1_000)
    assert (s.deadline, s.look(6_000).events) == (None, ())


@pytest.mark.parametrize("opener", ["A", "B", "C"])
def test_the_opener_is_the_one_asked_for(session, opener):
    s = session("per_participant", "A B C", opener=opener).start(0)
    assert s.active == opener


def test_the_opener_is_else_the_first_by_index(session):
    s = session("per_participant", "A B", indexes={"A": 7, "B": 3}).start(0)
    assert (s.order, s.active) == ("BA", "B")


def test_a_command_at_the_expected_version_is_accepted(session):
    s = session("per_participant").start(0, expected_version=1)
    s.pause(1_000, expected_version=2)
    assert s.version == 3


@pytest.mark.parametrize("expected", [0, 1, 3])
@pytest.mark.parametrize("verb", [*COMMANDS, "adjust time in"])
def test_a_command_at_any_other_version_is_refused(session, ident, verb, expected):
    s = session("per_participant").start(0)
    command = replace(command_of(verb, ident), expected_version=expected)
    with pytest.raises(VersionMismatch) as refused:
        s.do(command, 1_000)
    assert (refused.value.expected, refused.value.actual) == (expected, 2)


def test_deadlines_on_the_way_count_against_the_expected_version(session):
    s = session("per_participant", {"A": 1_000, "B": 60_000}).start(0)
    with pytest.raises(VersionMismatch) as refused:
        s.switch(2_000, expected_version=2)
    assert refused.value.actual == 3
    s.switch(2_000, expected_version=3)


def test_a_wrong_version_is_told_before_a_wrong_status(session):
    s = session("per_participant")
    with pytest.raises(VersionMismatch):
        s.pause(0, expected_version=9)


@pytest.mark.parametrize("accepted", [{2}, {1, 2}, None])
def test_a_command_at_an_accepted_version_is_applied(session, accepted):
    state = session("per_participant").start(0).state
    assert decide(state, cmd.Pause(), 1_000, accepted=accepted and frozenset(accepted)).state.version == 3


@pytest.mark.parametrize("accepted", [(), (1,), (1, 3)])
def test_a_command_at_a_version_that_is_not_accepted_is_refused_before_all_else(session, accepted):
    state = session("per_participant").start(0).state
    with pytest.raises(PreconditionFailed) as refused:
        decide(state, cmd.Start(expected_version=9), 1_000, accepted=frozenset(accepted))
    assert (refused.value.accepted, refused.value.actual) == (frozenset(accepted), 2)


def test_a_switch_of_the_active_participant_is_accepted(session):
    s = session("per_participant").start(0)
    s.switch(1_000, claim="A")
    assert s.active == "B"


def test_a_switch_of_somebody_elses_turn_is_refused(session, ident):
    s = session("per_participant").start(0)
    with pytest.raises(NotActive) as refused:
        s.switch(1_000, claim="B")
    assert (refused.value.claimed, refused.value.active) == (ident("B"), ident("A"))
    assert s.active == "A"


def test_a_turn_that_was_skipped_meanwhile_is_not_switched_again(session):
    s = session("per_cycle", time_per_cycle_ms=1_000, on_timeout="skip_cycle").start(0)
    with pytest.raises(NotActive):
        s.switch(1_000, claim="A")


@pytest.mark.parametrize("part", ["to", "claim"])
def test_a_switch_that_names_a_stranger_is_refused(session, ident, part):
    s = session("per_participant").start(0)
    with pytest.raises(NoSuchParticipant) as refused:
        s.switch(1_000, **{part: "Z"})
    assert refused.value.participant_id == ident("Z")


def test_a_clock_that_goes_back_is_read_as_the_last_transition(session):
    s = session("per_participant").start(10_000)
    s.switch(20_000)
    decision = s.switch(15_000)
    assert (decision.events[0].at_ms, s.state.updated_ms) == (20_000, 20_000)
    assert (s.used("B", 20_000), s.state.running_ms) == (0, 10_000)


def test_a_look_from_before_the_last_transition_changes_nothing(session):
    s = session("per_participant").start(10_000)
    assert s.look(0).events == ()
    assert s.read(0).at_ms == 10_000
    assert s.left("A", 0) == 60_000
