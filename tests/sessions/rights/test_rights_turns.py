"""What a participant may do: end its own turn, never anybody else's, and what the session permits besides."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sessions.services import sessions as service
from sessions.services.outcome import Caller
from synckairos.auth.principal import Principal, mint
from synckairos.engine.commands import Seat, Switch
from synckairos.errors import Forbidden
from tests.clocked import Clock
from tests.conftest import bearer
from tests.sessions.rights.cast import Stage
from tests.talk import done, game, refused, seat

ADA, GRACE, JOAN = "participant by user_id", "participant by id", "token of a participant"


def switch(api, stage, who, **body):
    return api.post(stage.at("switch"), json=body, headers=bearer(stage.token(who)))


def test_each_ends_its_own_turn_and_passes_it_on(api, stage):
    stage.do("start")
    for place, who in enumerate((ADA, GRACE, JOAN, ADA)):
        others = [other for other in (ADA, GRACE, JOAN) if other != who]
        for other in others:
            error = refused(switch(api, stage, other), 403, "FORBIDDEN")
            assert error["details"] == {"active_participant_id": stage.seats[place % 3]["participant_id"]}
        assert done(switch(api, stage, who))["active_participant_id"] == stage.seats[(place + 1) % 3]["participant_id"]


def test_whom_it_passes_the_turn_to_is_its_own_choice_but_never_itself(api, stage):
    """Or it would be given its increment again and again."""
    stage.do("start")
    refused(switch(api, stage, ADA, next_participant_id=stage.ada["participant_id"]), 403, "FORBIDDEN")
    answer = switch(api, stage, ADA, next_participant_id=stage.joan["participant_id"])
    assert done(answer)["active_participant_id"] == stage.joan["participant_id"]


def test_it_cannot_switch_for_somebody_else_by_naming_them(api, stage):
    stage.do("start")
    answer = switch(api, stage, GRACE, current_participant_id=stage.ada["participant_id"])
    refused(answer, 403, "FORBIDDEN")


def test_what_is_wrong_with_the_session_comes_before_whose_turn_it_is(api, stage):
    refused(switch(api, stage, GRACE), 400, "INVALID_STATE_TRANSITION")
    stage.do("start")
    refused(switch(api, stage, GRACE, expected_version=1), 409, "CONFLICT")


def test_who_has_two_seats_ends_the_turns_of_both(api):
    seats = [seat(user_id="ada"), seat(), seat(user_id="ada")]
    stage = Stage(api)
    stage.state = done_creating(api, seats)
    stage.do("start")
    assert done(switch(api, stage, ADA))["active_participant_id"] == seats[1]["participant_id"]
    refused(switch(api, stage, ADA), 403, "FORBIDDEN")
    stage.do("switch")
    refused(switch(api, stage, ADA, next_participant_id=seats[0]["participant_id"]), 403, "FORBIDDEN")
    assert done(switch(api, stage, ADA, next_participant_id=seats[1]["participant_id"]))["version"] == 5


def done_creating(api, seats):
    return api.post("/v1/sessions", json=game(participants=seats)).json()["data"]


def test_a_turn_that_time_has_ended_is_not_ended_once_more():
    """The clock moved on by itself before the switch came: whose turn it is now is what counts."""
    clock = Clock()
    seats = (Seat(uuid4(), 10_000, user_id="ada"), Seat(uuid4(), 10_000, user_id="grace"))
    session_id = clock.start(participants=seats, action_on_timeout={"type": "skip_cycle"})
    ada, grace = (Caller(Principal(name, is_staff=False, expires_s=2**40), "") for name in ("ada", "grace"))
    clock.now_ms += 10_000
    with pytest.raises(Forbidden):
        clock.run(service.execute(session_id, Switch(), ada))
    assert clock.run(service.execute(session_id, Switch(), grace)).state.version == 4


@pytest.mark.parametrize("permitted", [[], ["pause"], ["pause", "resume"], ["resume"]])
def test_a_session_may_permit_its_participants_to_pause_and_resume(api, permitted):
    stage = Stage(api, {"permissions": permitted}).do("start")
    assert stage.state["permissions"] == permitted
    for command in ("pause", "resume"):
        for who in (GRACE, JOAN):
            answer = api.post(stage.at(command), headers=bearer(stage.token(who)))
            if command in permitted:
                done(answer)
                stage.do({"pause": "resume", "resume": "pause"}[command])
            else:
                refused(answer, 403, "FORBIDDEN")
        viewer = api.post(stage.at(command), headers=bearer(stage.token("token of a viewer")))
        refused(viewer, 403, "FORBIDDEN")
        if command == "pause":
            stage.do("pause")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"permissions": ["start"]}, "permissions.0"),
        ({"permissions": "pause"}, "permissions"),
        ({"permissions": ["pause"] * 4}, "permissions"),
        ({"visibility": "secret"}, "visibility"),
        ({"visibility": 1}, "visibility"),
        ({"owner": "mallory"}, "owner"),
    ],
)
def test_what_a_session_can_permit_is_checked(api, options, field):
    error = refused(api.post("/v1/sessions", json=game(**options)), 400, "VALIDATION_ERROR")
    assert [problem["field"] for problem in error["details"]] == [field]


def test_the_creator_is_the_owner_and_a_session_is_private_unless_it_says_otherwise(stage):
    assert (stage.state["owner"], stage.state["visibility"], stage.state["permissions"]) == ("alice", "private", [])


def test_a_turn_that_comes_round_to_itself_earns_nothing_and_is_refused(api):
    """Everybody else has run out of time: its switches would earn increment after increment."""
    stage = Stage(api, {"increment_ms": 60_000, "auto_advance": True}).do("start")
    moderator = bearer(mint("moderator", is_staff=True))
    for other in (stage.grace, stage.joan):
        api.patch(stage.at("participants", other["participant_id"]), json={"total_time_ms": 0}, headers=moderator)
    stage.do("switch", "switch")
    refused(switch(api, stage, ADA), 403, "FORBIDDEN")
    assert done(api.post(stage.at("switch")))["active_participant_id"] == stage.ada["participant_id"]  # the owner may


def test_without_an_increment_a_lap_of_ones_own_is_nobodys_loss(api):
    stage = Stage(api)
    stage.ada = seat(user_id="ada")
    body = {"sync_mode": "count_up", "participants": [stage.ada]}
    stage.state = api.post("/v1/sessions", json=body).json()["data"]
    stage.do("start")
    assert done(switch(api, stage, ADA))["version"] == 3
    refused(switch(api, stage, ADA, next_participant_id=stage.ada["participant_id"]), 403, "FORBIDDEN")


def test_team_mates_cannot_pass_the_turn_to_each_other_by_name_for_increments(api):
    team, other = str(uuid4()), str(uuid4())
    seats = [seat(user_id="ada", group_id=team), seat(user_id="grace", group_id=team), seat(group_id=other)]
    stage = Stage(api)
    body = {"sync_mode": "per_group", "participants": seats, "increment_ms": 1_000}
    stage.state = api.post("/v1/sessions", json=body).json()["data"]
    stage.do("start")
    refused(switch(api, stage, ADA, next_participant_id=seats[1]["participant_id"]), 403, "FORBIDDEN")
    assert done(switch(api, stage, ADA, next_participant_id=seats[2]["participant_id"]))["version"] == 3
