"""Events: a history leads back to the state, and every event survives storage."""

import json
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from synckairos.engine import Refusal, State, create_session, evolve, replay
from synckairos.engine import events as ev
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.stages import Stage, Stages
from synckairos.engine.event_data import details, rebuild

STAGES = Stages(
    stages=(
        Stage(time_ms=9_000, turns=40),
        Stage(time_ms=9_000, control=Canadian(turns=5, period_ms=9_000)),
    )
)


@pytest.fixture
def eventful(session):
    """A session in whose history every type of event and of struct occurs, but for the ends in `ENDS`."""
    s = session(
        "per_group",
        {"A": 9_000, "B": 9_000},
        teams={"A": "X", "B": "Y"},
        groups={"X": 9_000, "Y": 9_000},
        controls={"Y": Overtime(max_overtime_ms=2_000)},
        time_control=Stages(
            stages=(Stage(time_ms=1, turns=40), Stage(time_ms=1, control=Canadian(turns=5, period_ms=1)))
        ),
        lag=True,
        warn_at=[4_000],
        on_timeout={"type": "skip_cycle", "penalty": [1, {"deep": None}]},
        metadata={"room": "ü"},
    )
    s.add(10, "C", team="Y")
    s.assign_turn(15, "B", "drawn by lot")
    s.assign_turn(16, "A")
    s.start(20)
    s.pause(1_020)
    s.resume(2_000)
    s.adjust(3_000, "A", by=500, reason="late")
    s.switch(4_000, think_ms=500, measured_ms=300)
    s.undo(5_000, "pressed by mistake")
    s.adjust_clock(6_000, at_least=6_000, reason="a late bid")
    s.switch(6_000)
    s.look(19_000)
    s.switch(19_100)
    s.grant(19_400, "one", "participant", "A")
    s.revoke(19_500, "one")
    s.assign(19_600, "A", "carol", "Ada had to leave.")
    s.restore(19_700)
    return s


ENDS = {
    "complete": "session.completed",
    "cancel": "session.cancelled",
    "delete": "session.deleted",
    "look": "session.expired",
    "abandon": "session.abandoned",
}


@pytest.fixture(params=ENDS)
def ended(request, eventful):
    at = 90_000 if request.param == "look" else 20_000
    getattr(eventful, request.param)(at)
    assert eventful.events[-1].name == ENDS[request.param]
    return eventful


def test_a_revoked_token_is_remembered_for_as_long_as_it_could_be_good(session):
    s = session("count_up", {})
    s.revoke(0, "one")
    s.revoke(500, "two")
    assert [one.token_id for one in s.state.access.revoked] == ["one", "two"]
    s.revoke(500, "two")
    assert s.version == 3
    s.revoke(1_000, "three")
    assert [one.token_id for one in s.state.access.revoked] == ["two", "three"]
    s.revoke(1_100)
    assert (s.state.access.generation, s.state.access.revoked) == (1, ())


def test_a_grant_leaves_clocks_rights_and_the_undo_of_the_last_switch_as_they_are(session):
    s = session("per_participant").start(0)
    s.switch(1_000)
    before = s.state
    s.grant(2_000, "one", "participant", "A")
    assert s.state == replace(before, version=before.version + 1, sequence=before.sequence + 1, updated_ms=2_000)
    event = s.events[-1]
    assert (event.role, event.token_id, event.participant_id, event.until_ms) == (
        "participant",
        "one",
        s.state.participants[0].participant_id,
        5_000,
    )
    s.undo(3_000)
    assert s.name(s.state.active_participant.participant_id) == "A"


def test_a_grant_of_a_seat_that_does_not_exist_is_refused(session):
    s = session("per_participant").start(0)
    with pytest.raises(Refusal):
        s.grant(2_000, "one", "participant", "Z")


def test_no_more_than_200_are_revoked_one_by_one(session):
    s = session("count_up", {})
    for number in range(200):
        s.revoke(0, f"{number}")
    with pytest.raises(Refusal, match="revoke all of them"):
        s.revoke(0, "one more")
    s.revoke(1_000, "one more")
    assert [one.token_id for one in s.state.access.revoked] == ["one more"]


def test_the_histories_tried_here_hold_every_type_of_event(eventful):
    seen = {event.name for event in eventful.events} | set(ENDS.values())
    assert seen == set(ev.EVENT_TYPES)


def test_a_history_leads_to_the_state(ended):
    assert ended.replayed() == ended.state


def test_every_part_of_a_history_leads_to_the_state_of_that_time(session):
    s = session("per_participant").start(0)
    half = s.state, len(s.events)
    s.switch(1_000)
    assert replay(s.events[: half[1]]) == half[0]


def test_an_empty_history_leads_nowhere():
    assert replay([]) is None


def test_a_history_must_begin_with_the_creation(eventful):
    with pytest.raises(ValueError, match=r"participant\.added before session\.created"):
        replay(eventful.events[1:])


def test_what_is_no_event_has_no_meaning(eventful):
    class Strange(ev.EventBase, frozen=True, array_like=True):
        name = "strange"

    with pytest.raises(ValueError, match=r"strange after session\.created"):
        evolve(eventful.state, Strange(1, 1, 1))


def test_every_event_survives_its_details_as_json(ended):
    for event in ended.events:
        data = json.loads(json.dumps(details(event)))
        again = rebuild(event.name, sequence=event.sequence, version=event.version, at_ms=event.at_ms, data=data)
        assert again == event


def test_details_leave_out_what_all_events_have(eventful):
    for event in eventful.events:
        assert not {"sequence", "version", "at_ms"} & set(details(event))


def test_every_event_survives_msgpack(ended):
    packed = msgspec.msgpack.encode(ended.events)
    assert msgspec.msgpack.decode(packed, type=list[ev.Event]) == ended.events


def test_a_state_survives_msgpack_with_short_ids(ended):
    packed = msgspec.msgpack.Encoder(uuid_format="bytes").encode(ended.state)
    assert msgspec.msgpack.decode(packed, type=State) == ended.state


def test_an_unknown_event_cannot_be_rebuilt():
    with pytest.raises(KeyError):
        rebuild("session.exploded", sequence=1, version=1, at_ms=0, data={})


def test_bad_details_cannot_be_rebuilt():
    with pytest.raises(msgspec.ValidationError):
        rebuild("session.expired", sequence=1, version=1, at_ms=0, data={"winner": 5})


def test_the_stored_tags_never_change():
    tags = {kind.__struct_config__.tag: name for name, kind in ev.EVENT_TYPES.items()}
    assert tags == {
        1: "session.created",
        2: "session.started",
        3: "session.paused",
        4: "session.resumed",
        5: "cycle.switched",
        6: "participant.warned",
        7: "participant.expired",
        8: "session.expired",
        9: "session.completed",
        10: "session.cancelled",
        11: "session.deleted",
        12: "participant.added",
        13: "participant.adjusted",
        14: "access.revoked",
        15: "session.abandoned",
        16: "participant.assigned",
        17: "clock.phase_changed",
        18: "clock.adjusted",
        19: "cycle.undone",
        20: "cycle.assigned",
        21: "session.restored",
        22: "access.granted",
    }


def test_the_winner_is_an_id_again_after_storage():
    event = rebuild("session.expired", sequence=1, version=1, at_ms=0, data={"winner": str(UUID(int=5))})
    assert event.winner == UUID(int=5)


def test_a_creation_is_told_in_names_not_in_places(create):
    asked = create("per_participant")
    created = create_session(asked, session_id=UUID(int=1), epoch="e", now=0).events[0]
    told = details(created)
    assert told["config"]["sync_mode"] == created.config.sync_mode
    assert told["participants"][0]["participant_id"] == str(created.participants[0].participant_id)
