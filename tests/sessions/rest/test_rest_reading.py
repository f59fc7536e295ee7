"""Reading: the state, validators, selected fields, the summary, many at once."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.talk import at, created, done, game, in_status, ms, refused, wrong_fields


def test_a_state_is_read_the_same_from_every_process(api, other_api):
    state = created(api)
    for client in (api, other_api):
        read = done(client.get(at(state)))
        assert read | {"server_time_ms": 0} == state | {"server_time_ms": 0}
        assert read["server_time_ms"] >= state["server_time_ms"]


def test_an_id_is_found_in_either_case(api):
    state = created(api)
    assert done(api.get(f"/v1/sessions/{state['session_id'].upper()}"))["session_id"] == state["session_id"]


def tag(state, version):
    """The tag of a session at a version."""
    return f'"v{version}-{state["epoch"]}"'


def test_the_etag_is_version_and_epoch(api):
    state = created(api)
    assert api.get(at(state)).headers["etag"] == tag(state, 1)
    assert api.post(at(state, "start")).headers["etag"] == tag(state, 2)
    assert api.get(at(state)).headers["etag"] == tag(state, 2)
    assert api.get(at(state, "summary")).headers["etag"] == tag(state, 2)
    assert api.post(at(state, "switch")).headers["etag"] == tag(state, 3)


def test_a_session_made_anew_under_its_id_is_not_taken_for_the_old_one(api):
    old = created(api)
    tag = api.get(at(old)).headers["etag"]
    api.delete(at(old))
    new = created(api, game(session_id=old["session_id"], metadata={"made": "anew"}))
    answer = api.get(at(old), headers={"If-None-Match": tag})
    assert done(answer)["metadata"] == {"made": "anew"}
    assert new["version"] == old["version"]
    assert answer.headers["etag"] != tag


@pytest.mark.parametrize("offered", ["{}", "W/{}", '"v7", {}', '"v7",W/{}', "*"])
def test_a_known_version_is_not_sent_again(api, offered):
    state = created(api)
    answer = api.get(at(state), headers={"If-None-Match": offered.format(tag(state, 1))})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == tag(state, 1)


@pytest.mark.parametrize("offered", ['"v1"', '"v2-{0}"', "v1-{0}", '"V1-{0}"', '"v1-{0}', "", "garbage, *x"])
def test_another_version_is_sent_whole(api, offered):
    state = created(api)
    answer = api.get(at(state), headers={"If-None-Match": offered.format(state["epoch"])})
    assert done(answer)["version"] == 1


def test_a_changed_version_is_sent_again(api):
    state = created(api)
    api.post(at(state, "start"))
    assert done(api.get(at(state), headers={"If-None-Match": tag(state, 1)}))["version"] == 2


def test_a_version_that_time_has_raised_is_sent_again(api, staff_api):
    state = created(api, game(warning_thresholds_ms=[30_000]))
    state = done(api.post(at(state, "start")))
    active = state["active_participant_id"]
    done(staff_api.patch(at(state, "participants", active), json={"total_time_ms": 0}))
    expired = done(api.get(at(state), headers={"If-None-Match": tag(state, 3)}))
    assert expired["version"] > 3
    assert expired["participants"][0]["has_expired"] is True


def test_some_fields_are_selected(api):
    state = created(api)
    answer = api.get(at(state), params={"fields": "version, status,participants"})
    assert done(answer) == {"version": 1, "status": "pending", "participants": state["participants"]}
    assert answer.headers["etag"] == tag(state, 1)


def test_a_selected_field_that_is_unset_is_left_out(api):
    state = created(api)
    assert done(api.get(at(state), params={"fields": "max_time_ms,version"})) == {"version": 1}


@pytest.mark.parametrize(
    "fields", ["nonsense", "version,nonsense", "", ",", "participants.0", "VERSION", "\0", "__class__"]
)
def test_unknown_fields_are_refused(api, fields):
    assert set(wrong_fields(api.get(at(created(api)), params={"fields": fields}))) == {"fields"}


def test_every_unknown_field_is_named(api):
    error = refused(api.get(at(created(api)), params={"fields": "one,version,two"}), 400, "VALIDATION_ERROR")
    assert [item["message"] for item in error["details"]] == ["Unknown field: one", "Unknown field: two"]


def test_head_answers_without_a_body(api):
    state = created(api)
    answer = api.head(at(state))
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"", tag(state, 1))


@pytest.mark.parametrize("status", ["pending", "running", "expired"])
def test_the_summary_is_the_state_in_short(api, staff_api, status):
    state = in_status(status, api, staff_api)
    summary = done(api.get(at(state, "summary")))
    names = {"session_id", "status", "active_participant_id", "version", "time_remaining_ms", "server_time_ms"}
    assert set(summary) == names
    for name in ("session_id", "status", "active_participant_id", "version"):
        assert summary[name] == state[name]
    if status == "running":
        used = summary["server_time_ms"] - ms(state["cycle_started_at"])
        assert summary["time_remaining_ms"] == 60_000 - used
    else:
        assert summary["time_remaining_ms"] == state["time_remaining_ms"]


def test_many_are_read_at_once_in_the_order_asked_for(api):
    states = [created(api) for _ in range(3)]
    absent = [str(uuid4()), str(uuid4())]
    wanted = [states[2]["session_id"], absent[0], states[0]["session_id"], absent[1], states[1]["session_id"]]
    data = done(api.post("/v1/sessions/batch", json={"session_ids": wanted}))
    assert set(data) == {"sessions", "missing"}
    assert [state["session_id"] for state in data["sessions"]] == [wanted[0], wanted[2], wanted[4]]
    assert data["missing"] == absent
    assert set(data["sessions"][0]) == set(states[0])


def test_an_id_asked_for_twice_is_answered_once(api):
    state = created(api)
    ids = [state["session_id"], state["session_id"].upper()]
    assert len(done(api.post("/v1/sessions/batch", json={"session_ids": ids}))["sessions"]) == 1


def test_fifty_may_be_read_at_once(api):
    ids = [str(uuid4()) for _ in range(50)]
    assert done(api.post("/v1/sessions/batch", json={"session_ids": ids})) == {"sessions": [], "missing": ids}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "session_ids"),
        ({"session_ids": []}, "session_ids"),
        ({"session_ids": None}, "session_ids"),
        ({"session_ids": "all"}, "session_ids"),
        ({"session_ids": {}}, "session_ids"),
        ({"session_ids": [str(uuid4())] * 51}, "session_ids"),
        ({"session_ids": [str(uuid4()), "x"]}, "session_ids.1"),
        ({"session_ids": [7]}, "session_ids.0"),
        ({"session_ids": [str(uuid4())], "more": 1}, "more"),
    ],
)
def test_a_wrong_batch_is_refused(api, body, field):
    assert wrong_fields(api.post("/v1/sessions/batch", json=body)) == [field]
