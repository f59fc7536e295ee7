"""A session may permit its controllers to adjust banks and the clock that runs; nobody else, and nothing besides."""

from __future__ import annotations

import pytest

from synckairos.auth.grants import Role
from synckairos.auth.permissions import ALLOWED_ROLES, GRANTABLE, Action
from tests.conftest import bearer
from tests.sessions.rights.cast import PEOPLE, Stage
from tests.sockets import screen
from tests.talk import done, refused

CONTROLLER = "token of a controller"
COMMANDERS = {who for who, role in PEOPLE.items() if role in ALLOWED_ROLES[Action.ADJUST_TIME]}
PERMITTED = {"permissions": ["adjust_time"], "visibility": "public"}


def adjust_bank(api, stage, who, **body):
    address = stage.at("participants", stage.ada["participant_id"])
    return api.patch(address, json=body or {"adjust_ms": 5}, headers=bearer(stage.token(who)))


def adjust_clock(api, stage, who):
    return api.patch(stage.at("clock"), json={"adjust_ms": 5}, headers=bearer(stage.token(who)))


ADJUSTMENTS = {"a bank": adjust_bank, "the clock": adjust_clock}


def test_only_controllers_can_be_given_the_adjustment_of_time():
    assert GRANTABLE[Action.ADJUST_TIME] is Role.CONTROLLER


@pytest.mark.parametrize("adjusted", ADJUSTMENTS)
@pytest.mark.parametrize("who", PEOPLE)
def test_a_session_may_permit_its_controllers_to_adjust_time_and_nobody_else(api, who, adjusted):
    stage = Stage(api, PERMITTED).do("start")
    assert stage.state["permissions"] == ["adjust_time"]
    answer = ADJUSTMENTS[adjusted](api, stage, who)
    if who in COMMANDERS | {CONTROLLER}:
        assert done(answer)["version"] == 3 + (who == CONTROLLER)  # its token is a version
    else:
        refused(answer, 403, "FORBIDDEN")


@pytest.mark.parametrize("adjusted", ADJUSTMENTS)
@pytest.mark.parametrize("permitted", [[], ["pause", "resume"]], ids=["nothing", "pause and resume"])
def test_controllers_adjust_nothing_unless_the_session_permits_it(api, permitted, adjusted):
    stage = Stage(api, {"permissions": permitted})
    refused(ADJUSTMENTS[adjusted](api, stage, CONTROLLER), 403, "FORBIDDEN")


@pytest.mark.parametrize("who", PEOPLE)
async def test_the_same_holds_for_the_command_of_a_socket(api, webs, who):
    stage = Stage(api, PERMITTED)
    async with screen(webs[1], stage.id, stage.token(who)) as socket:
        await socket.send(type="ADJUST_CLOCK", id="1", at_least_ms=90_000)
        if who in COMMANDERS | {CONTROLLER}:
            assert (await socket.until("ACK", id="1"))["data"]["time_remaining_ms"] == 90_000
        else:
            assert (await socket.until("ERROR", id="1"))["code"] == "FORBIDDEN"


def test_a_controller_that_may_adjust_time_assigns_no_seats(api):
    stage = Stage(api, PERMITTED)
    refused(adjust_bank(api, stage, CONTROLLER, user_id="carol"), 403, "FORBIDDEN")


def test_participants_that_may_pause_do_not_adjust_time(api):
    stage = Stage(api, {"permissions": ["pause", "adjust_time"]}).do("start")
    refused(adjust_clock(api, stage, "participant by user_id"), 403, "FORBIDDEN")
    done(api.post(stage.at("pause"), headers=bearer(stage.token("participant by user_id"))))
    refused(adjust_clock(api, stage, "participant by user_id"), 403, "FORBIDDEN")
