"""Idempotency-Key: a repeat is answered with the first answer, and nothing happens twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.talk import JSON, at, created, done, game, in_status, refused, seat, wrong_fields

FROM = {
    "start": "pending",
    "pause": "running",
    "resume": "paused",
    "switch": "running",
    "complete": "running",
    "cancel": "paused",
    "participants": "pending",
}
KEY = {"Idempotency-Key": "the same key"}


def body_for(command):
    return seat() if command == "participants" else {}


def was_replayed(answer):
    return answer.headers.get("idempotency-replayed") == "true"


@pytest.mark.parametrize("command", FROM)
def test_a_repeated_command_is_answered_as_at_first_and_changes_nothing(api, other_api, staff_api, command):
    state = in_status(FROM[command], api, staff_api)
    body = body_for(command)
    first = api.post(at(state, command), json=body, headers=KEY)
    assert "idempotency-replayed" not in first.headers
    for client in (api, other_api):
        again = client.post(at(state, command), json=body, headers=KEY)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["etag"] == first.headers["etag"]
    assert done(api.get(at(state)))["version"] == state["version"] + 1


@pytest.mark.parametrize("given", [{}, {"session_id": "0d7f6c1e-8f6b-4c9a-9d57-0a4f4f0f3a11"}])
def test_a_repeated_creation_is_answered_as_at_first(api, other_api, given):
    body = game(**given)
    first = api.post("/v1/sessions", json=body, headers=KEY)
    assert first.status_code == 201
    for client in (api, other_api):
        again = client.post("/v1/sessions", json=body, headers=KEY)
        assert (again.status_code, again.content, was_replayed(again)) == (201, first.content, True)


@pytest.mark.parametrize("command", [*FROM, None])
def test_many_repeats_at_once_are_executed_once(api, other_api, staff_api, command):
    state = in_status(FROM[command], api, staff_api) if command else None
    body = body_for(command) if command else game()
    path = at(state, command) if state else "/v1/sessions"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda client: client.post(path, json=body, headers=KEY), [api, other_api] * 4))
    assert len({answer.content for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {200 if state else 201}
    assert sum(was_replayed(answer) for answer in answers) == 7
    if state:
        assert done(api.get(at(state)))["version"] == state["version"] + 1


def test_the_first_answer_stands_though_the_game_goes_on(api):
    state = created(api)
    first = api.post(at(state, "start"), headers=KEY)
    done(api.post(at(state, "switch")))
    done(api.post(at(state, "complete")))
    again = api.post(at(state, "start"), headers=KEY)
    assert (again.content, was_replayed(again)) == (first.content, True)


def test_the_result_of_a_switch_is_kept_whole(api, staff_api):
    state = done(api.post(at(created(api), "start")))
    late = state["active_participant_id"]
    done(staff_api.patch(at(state, "participants", late), json={"total_time_ms": 0}))
    first = api.post(at(state, "switch"), headers=KEY)
    assert first.json()["data"]["expired_participant_id"] == late
    assert api.post(at(state, "switch"), headers=KEY).content == first.content


def test_the_key_with_another_body_is_refused(api, other_api):
    state = done(api.post(at(created(api, game(3)), "start")))
    ids = [p["participant_id"] for p in state["participants"]]
    done(api.post(at(state, "switch"), json={"next_participant_id": ids[2]}, headers=KEY))
    answer = other_api.post(at(state, "switch"), json={"next_participant_id": ids[1]}, headers=KEY)
    refused(answer, 422, "IDEMPOTENCY_KEY_REUSED")
    assert done(api.get(at(state)))["active_participant_id"] == ids[2]


def test_a_creation_with_the_key_of_another_one_is_refused(api):
    created(api, **KEY)
    refused(api.post("/v1/sessions", json=game(), headers=KEY), 422, "IDEMPOTENCY_KEY_REUSED")


def test_the_order_of_fields_and_the_spaces_between_make_no_other_body(api):
    state = done(api.post(at(created(api), "start")))
    bodies = (
        b'{"expected_version": 2, "next_participant_id": null}',
        b'{"next_participant_id":null,"expected_version":2}',
    )
    first, again = (api.post(at(state, "switch"), content=b, headers=JSON | KEY) for b in bodies)
    assert (again.content, was_replayed(again)) == (first.content, True)


def test_a_key_belongs_to_one_person(api, bob_api, staff_api):
    body = game()
    assert created(api, body, **KEY)["session_id"] != created(bob_api, body, **KEY)["session_id"]
    state = done(api.post(at(created(api), "start")))
    versions = [done(client.post(at(state, "switch"), headers=KEY))["version"] for client in (api, staff_api)]
    assert versions == [3, 4]


def test_a_key_belongs_to_one_address(api):
    one, two = created(api), created(api)
    for state in (one, two):
        for command in ("start", "switch", "pause", "complete"):
            assert not was_replayed(api.post(at(state, command), headers=KEY))
    assert [done(api.get(at(state)))["version"] for state in (one, two)] == [5, 5]


def test_the_same_address_in_capitals_is_the_same(api):
    state = done(api.post(at(created(api), "start")))
    first = api.post(at(state, "switch"), headers=KEY)
    again = api.post(f"/v1/sessions/{state['session_id'].upper()}/switch", headers=KEY)
    assert (again.content, was_replayed(again)) == (first.content, True)


def test_other_keys_are_other_commands(api):
    state = done(api.post(at(created(api), "start")))
    for number in range(3):
        done(api.post(at(state, "switch"), headers={"Idempotency-Key": f"k{number}"}))
    assert done(api.get(at(state)))["version"] == 5


@pytest.mark.parametrize("command", FROM)
def test_a_record_belongs_to_the_session_and_not_to_one_made_anew_under_its_id(api, other_api, staff_api, command):
    old = in_status(FROM[command], api, staff_api)
    body = body_for(command)
    assert api.post(at(old, command), json=body, headers=KEY).status_code == 200
    api.delete(at(old))
    new = created(api, game(session_id=old["session_id"]))
    answer = other_api.post(at(old, command), json=body, headers=KEY)
    if FROM[command] == "pending" or command in {"complete", "cancel"}:
        assert done(answer)["epoch"] == new["epoch"]
        assert not was_replayed(answer)
        again = api.post(at(old, command), json=body, headers=KEY)
        assert (again.content, was_replayed(again)) == (answer.content, True)
    else:
        refused(answer, 400, "INVALID_STATE_TRANSITION")
        assert done(api.get(at(old)))["version"] == 1


def test_another_body_under_a_key_of_the_session_before_is_no_fault(api):
    old = done(api.post(at(created(api), "start"), headers=KEY))
    api.delete(at(old))
    created(api, game(session_id=old["session_id"]))
    assert done(api.post(at(old, "start"), json={"expected_version": 1}, headers=KEY))["status"] == "running"


def test_a_repeated_creation_does_not_answer_for_a_session_made_anew(api):
    """Its first answer stands until another session has the id: then it comes too late."""
    body = game(session_id="0d7f6c1e-8f6b-4c9a-9d57-0a4f4f0f3a12")
    first = api.post("/v1/sessions", json=body, headers=KEY)
    api.delete(at(body))
    again = api.post("/v1/sessions", json=body, headers=KEY)
    assert (again.status_code, again.content, was_replayed(again)) == (201, first.content, True)
    new = created(api, body)
    refused(api.post("/v1/sessions", json=body, headers=KEY), 409, "SESSION_ALREADY_EXISTS")
    assert done(api.get(at(body)))["epoch"] == new["epoch"] != first.json()["data"]["epoch"]


def test_a_refused_command_leaves_no_record(api):
    state = created(api)
    refused(api.post(at(state, "pause"), headers=KEY), 400, "INVALID_STATE_TRANSITION")
    wrong_fields(api.post(at(state, "pause"), json={"a": 1}, headers=KEY))
    done(api.post(at(state, "start")))
    answer = api.post(at(state, "pause"), headers=KEY)
    assert done(answer)["status"] == "paused"
    assert not was_replayed(answer)


def test_a_refused_creation_leaves_no_record(api):
    wrong_fields(api.post("/v1/sessions", json=game(total_time_ms=1), headers=KEY))
    assert not was_replayed(api.post("/v1/sessions", json=game(), headers=KEY))


@pytest.mark.parametrize("key", ["", "x" * 256, "ä".encode(), b"\x80", "a\tb"], ids=ascii)
@pytest.mark.parametrize("tail", ["", "/start"])
def test_a_malformed_key_is_refused(api, key, tail):
    state = created(api)
    path = at(state) + tail if tail else "/v1/sessions"
    answer = api.post(path, json={} if tail else game(), headers={"Idempotency-Key": key})
    assert wrong_fields(answer) == ["Idempotency-Key"]


@pytest.mark.parametrize("key", ["x", "x" * 255, "~!@#$%^&*(){}|:\"<>?' -_=+", "0f1c2d3e-4b5a-4697-8877-665544332211"])
def test_any_printable_key_will_do(api, key):
    body = game()
    first = created(api, body, **{"Idempotency-Key": key})
    assert created(api, body, **{"Idempotency-Key": key}) == first


def test_an_adjustment_may_carry_a_key_too(api, staff_api):
    state = created(api)
    address = at(state, "participants", state["participants"][0]["participant_id"])
    for _ in range(3):
        after = done(staff_api.patch(address, json={"adjust_ms": 1_000}, headers=KEY))
        assert after["participants"][0]["total_time_ms"] == 61_000
