"""Commands: what each does, which statuses allow it, and that its answer is the state at its own instant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.talk import STATUSES, at, created, done, game, in_status, ms, refused, seat, wrong_fields

ALLOWED = {
    "start": {"pending"},
    "pause": {"running"},
    "resume": {"paused"},
    "switch": {"running"},
    "complete": {"pending", "running", "paused"},
    "cancel": {"pending", "running", "paused"},
    "participants": {"pending", "running", "paused"},
}
BECOMES = {"start": "running", "pause": "paused", "resume": "running", "complete": "completed", "cancel": "cancelled"}
COMMANDS = tuple(ALLOWED)


def body_for(command):
    return seat() if command == "participants" else {}


@pytest.mark.parametrize(("command", "status"), [(c, s) for c in COMMANDS for s in STATUSES if s in ALLOWED[c]])
def test_a_command_that_fits_raises_the_version_by_one(api, staff_api, command, status):
    state = in_status(status, api, staff_api)
    after = done(api.post(at(state, command), json=body_for(command)))
    assert after["version"] == state["version"] + 1
    assert after["status"] == BECOMES.get(command, status)
    assert done(api.get(at(state)))["version"] == after["version"]


@pytest.mark.parametrize(("command", "status"), [(c, s) for c in COMMANDS for s in STATUSES if s not in ALLOWED[c]])
def test_a_command_that_does_not_fit_is_refused_naming_the_status(api, staff_api, command, status):
    state = in_status(status, api, staff_api)
    error = refused(api.post(at(state, command), json=body_for(command)), 400, "INVALID_STATE_TRANSITION")
    assert status in error["message"]
    assert set(error) == {"code", "message"}
    assert done(api.get(at(state)))["version"] == state["version"]


@pytest.mark.parametrize("status", ["completed", "cancelled", "expired"])
def test_time_in_a_finished_session_cannot_be_adjusted(api, staff_api, status):
    state = in_status(status, api, staff_api)
    address = at(state, "participants", state["participants"][0]["participant_id"])
    error = refused(staff_api.patch(address, json={"adjust_ms": 1}), 400, "INVALID_STATE_TRANSITION")
    assert status in error["message"]


@pytest.mark.parametrize("command", ["start", "pause", "resume", "complete", "cancel", "participants"])
def test_an_answer_is_the_state_at_the_commands_own_instant(api, staff_api, command):
    state = in_status(max(ALLOWED[command]), api, staff_api)
    after = done(api.post(at(state, command), json=body_for(command)))
    assert after["server_time_ms"] == ms(after["updated_at"])
    assert done(api.get(at(state)))["server_time_ms"] >= after["server_time_ms"]


def test_a_start_and_a_switch_are_answered_at_the_first_instant_of_the_cycle(api):
    state = created(api)
    started = done(api.post(at(state, "start")))
    assert started["server_time_ms"] == ms(started["cycle_started_at"]) == ms(started["session_started_at"])
    assert started["time_remaining_ms"] == 60_000
    assert ms(started["deadline_at"]) == started["server_time_ms"] + 60_000
    switched = done(api.post(at(state, "switch")))
    assert switched["server_time_ms"] == ms(switched["cycle_started_at"])
    used = switched["server_time_ms"] - started["server_time_ms"]
    assert [p["time_used_ms"] for p in switched["participants"]] == [used, 0]
    assert [p["time_remaining_ms"] for p in switched["participants"]] == [60_000 - used, 60_000]


@pytest.mark.parametrize("command", ["complete", "cancel"])
def test_a_finished_session_says_when(api, command):
    after = done(api.post(at(created(api), command)))
    assert ms(after["session_completed_at"]) == after["server_time_ms"]
    assert after["active_participant_id"] is None


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content": b""},
        {"content": b" \n"},
        {"json": {}},
        {"json": {"expected_version": None}},
        {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"Content-Type": "application/json; charset=utf-8"}, "content": b"{}"},
        {"headers": {"Content-Type": "application/JSON"}, "content": b"{}"},
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["start", "complete"])
def test_a_command_needs_no_body(api, command, sent):
    headers = {"Content-Type": "application/json"} | sent.get("headers", {})
    done(api.post(at(created(api), command), **sent | {"headers": headers}))


def test_a_body_without_a_type_may_be_empty(api):
    request = api.build_request("POST", at(created(api), "start"))
    assert "content-type" not in request.headers
    done(api.send(request))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "participants"])
@pytest.mark.parametrize("body", [[], 1, "x", True, [{}], None])
def test_a_body_is_an_object(api, command, body):
    content = {"content": b"null", "headers": {"Content-Type": "application/json"}} if body is None else {"json": body}
    assert wrong_fields(api.post(at(created(api), command), **content)) == ["body"]


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_fields_are_refused(api, command):
    assert wrong_fields(api.post(at(created(api), command), json=body_for(command) | {"a": 1, "b": 2})) == ["a", "b"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("value", ["1", -1, 1.5, True, [], 2**53 + 1])
def test_an_expected_version_is_a_number(api, command, value):
    body = body_for(command) | {"expected_version": value}
    assert wrong_fields(api.post(at(created(api), command), json=body)) == ["expected_version"]


@pytest.mark.parametrize("command", COMMANDS)
def test_another_version_than_expected_is_a_conflict_and_the_right_one_is_not(api, staff_api, command):
    state = in_status(max(ALLOWED[command]), api, staff_api)
    version = state["version"]
    body = body_for(command)
    answer = api.post(at(state, command), json=body | {"expected_version": version + 1})
    error = refused(answer, 409, "CONFLICT")
    assert error["details"] == {"expected_version": version + 1, "actual_version": version}
    done(api.post(at(state, command), json=body | {"expected_version": version}))


def test_a_switch_goes_to_whom_it_names_and_else_round(api):
    state = done(api.post(at(created(api, game(3)), "start")))
    ids = [p["participant_id"] for p in state["participants"]]
    assert state["active_participant_id"] == ids[0]
    assert done(api.post(at(state, "switch"), json={"next_participant_id": ids[2]}))["active_participant_id"] == ids[2]
    assert done(api.post(at(state, "switch"), json={"next_participant_id": ids[2]}))["active_participant_id"] == ids[2]
    assert done(api.post(at(state, "switch"), json={}))["active_participant_id"] == ids[0]
    guarded = {"current_participant_id": ids[0].upper(), "next_participant_id": None}
    assert done(api.post(at(state, "switch"), json=guarded))["active_participant_id"] == ids[1]


def test_a_switch_of_somebody_elses_turn_is_a_conflict(api):
    state = done(api.post(at(created(api), "start")))
    active, other = (p["participant_id"] for p in state["participants"])
    error = refused(api.post(at(state, "switch"), json={"current_participant_id": other}), 409, "CONFLICT")
    assert error["details"] == {"active_participant_id": active}
    assert done(api.get(at(state)))["version"] == state["version"]


@pytest.mark.parametrize("field", ["next_participant_id", "current_participant_id"])
def test_a_switch_that_names_a_stranger_is_refused(api, field):
    state = done(api.post(at(created(api), "start")))
    stranger = str(uuid4())
    error = refused(api.post(at(state, "switch"), json={field: stranger}), 404, "PARTICIPANT_NOT_FOUND")
    assert stranger in error["message"]


@pytest.mark.parametrize("field", ["next_participant_id", "current_participant_id"])
@pytest.mark.parametrize("value", ["", "x", 1, [], {}, True])
def test_a_switch_names_by_uuid(api, field, value):
    state = done(api.post(at(created(api), "start")))
    assert wrong_fields(api.post(at(state, "switch"), json={field: value})) == [field]


def test_a_switch_after_the_time_is_up_names_who_expired(api, staff_api):
    state = done(api.post(at(created(api, game(increment_ms=5_000)), "start")))
    late = state["active_participant_id"]
    done(staff_api.patch(at(state, "participants", late), json={"total_time_ms": 0}))
    switched = done(api.post(at(state, "switch")))
    assert switched["expired_participant_id"] == late
    assert switched["participants"][0]["time_remaining_ms"] == 0
    assert "expired_participant_id" not in done(api.post(at(state, "switch")))


def test_of_many_switches_of_one_turn_at_once_one_succeeds(api, other_api):
    state = done(api.post(at(created(api), "start")))
    body = {"current_participant_id": state["active_participant_id"]}
    with ThreadPoolExecutor(8) as pool:
        clients = [api, other_api] * 4
        answers = list(pool.map(lambda client: client.post(at(state, "switch"), json=body), clients))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]
    assert done(api.get(at(state)))["version"] == state["version"] + 1


def test_a_session_is_deleted_once_and_for_all(api, other_api):
    state = created(api)
    for client in (api, other_api, api):
        answer = client.delete(at(state))
        assert (answer.status_code, answer.content) == (204, b"")
    refused(api.get(at(state)), 404, "SESSION_NOT_FOUND")


def test_deleting_what_never_was_is_no_error(api):
    assert api.delete(f"/v1/sessions/{uuid4()}").status_code == 204


def test_a_finished_session_can_be_deleted(api, staff_api):
    assert api.delete(at(in_status("expired", api, staff_api))).status_code == 204


@pytest.mark.parametrize(
    "headers", [{"Idempotency-Key": "again"}, {"Idempotency-Key": "x" * 300}, {"Content-Type": "x/y"}]
)
def test_a_deletion_needs_no_key_and_no_body(api, headers):
    state = created(api)
    body = game(session_id=state["session_id"])
    for _ in range(2):
        assert api.request("DELETE", at(state), headers=headers).status_code == 204
        refused(api.get(at(state)), 404, "SESSION_NOT_FOUND")
        created(api, body)


@pytest.mark.parametrize("command", [*COMMANDS, "summary", ""])
def test_a_session_that_does_not_exist_is_not_found(api, command):
    absent = str(uuid4())
    address = f"/v1/sessions/{absent}/{command}".rstrip("/")
    read = command in {"summary", ""}
    answer = api.get(address) if read else api.post(address, json=body_for(command))
    assert absent in refused(answer, 404, "SESSION_NOT_FOUND")["message"]


UUID_TEXT = "0f1c2d3e-4b5a-4697-8877-665544332211"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "7",
        "0" * 32,
        f"{UUID_TEXT}x",
        "%00",
        "%20",
        "%F0%9F%95%90",
        "batch%0A",
        f"{UUID_TEXT}%0A",
    ],
)
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/summary"), ("POST", "/start")])
def test_an_address_names_a_session_by_uuid(api, method, tail, text):
    assert wrong_fields(api.request(method, f"/v1/sessions/{text}{tail}")) == ["session_id"]
