"""What all corrections have in common: keys, versions, conditions, methods and strangers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sessions.fastpath.test_fast_path import SLOW
from tests.sessions.rest.played import play, seats_of
from tests.talk import at, created, done, ms, refused

CORRECTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "adjust": ("PATCH", "clock", {"adjust_ms": -5_000}),
    "at least": ("PATCH", "clock", {"at_least_ms": 90_000}),
    "undo": ("POST", "undo", {}),
    "turn": ("POST", "turn", {}),
}


@pytest.fixture(params=CORRECTIONS)
def correction(request, api):
    """`correction(client, headers, **body)` sends it to a session after a switch; `correction.state` is before it."""
    method, part, fixed = CORRECTIONS[request.param]
    state = play(api, ("start", "switch"))
    if part == "turn":
        fixed = {"participant_id": seats_of(state)[0]}

    def send(client=api, headers=None, **body):
        return client.request(method, at(state, part), json=fixed | body, headers=headers or {})

    send.state = state
    return send


@pytest.mark.parametrize("door", [{}, SLOW], ids=["fast path", "view"])
def test_a_correction_is_answered_with_the_state_at_its_own_instant(correction, api, door):
    answer = correction(headers=door)
    after = done(answer)
    assert after["version"] == correction.state["version"] + 1
    assert after["server_time_ms"] == ms(after["updated_at"])
    assert answer.headers["etag"] == api.get(at(after)).headers["etag"]


@pytest.mark.parametrize("doors", [({}, SLOW), (SLOW, {})], ids=["from the fast path", "from the view"])
def test_a_repeated_correction_is_applied_once(correction, api, other_api, doors):
    key = {"Idempotency-Key": "once"}
    first = correction(headers=key | doors[0])
    after = done(first)
    for client in (api, other_api):
        again = correction(client, headers=key | doors[1])
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        assert again.headers["etag"] == first.headers["etag"]
    refused(correction(headers=key, reason="another"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert done(api.get(at(after)))["version"] == after["version"]


def test_many_repeats_of_a_correction_at_once_are_applied_once(correction, api, other_api):
    key = {"Idempotency-Key": "once"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda client: correction(client, headers=key), [api, other_api] * 4))
    assert len({done(answer)["version"] for answer in answers}) == 1
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("door", [{}, SLOW], ids=["fast path", "view"])
def test_a_correction_is_applied_to_the_version_that_was_seen_or_not_at_all(correction, api, door):
    version = correction.state["version"]
    error = refused(correction(headers=door | {"If-Match": f'"v{version - 1}"'}), 412, "PRECONDITION_FAILED")
    assert error["details"] == {"expected_versions": [version - 1], "actual_version": version}
    error = refused(correction(headers=door, expected_version=version + 1), 409, "CONFLICT")
    assert error["details"] == {"expected_version": version + 1, "actual_version": version}
    seen = api.get(at(correction.state)).headers["etag"]
    assert done(correction(headers=door | {"If-Match": seen}, expected_version=version))["version"] == version + 1


def test_of_many_corrections_of_the_same_version_one_is_applied(correction, api, other_api):
    version = correction.state["version"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda client: correction(client, expected_version=version), [api, other_api] * 4))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert done(api.get(at(correction.state)))["version"] == version + 1


def test_corrections_are_not_for_strangers(correction, bob_api):
    refused(correction(bob_api), 404, "SESSION_NOT_FOUND")


def test_a_session_that_does_not_exist_has_nothing_to_correct(correction, api):
    api.delete(at(correction.state))
    refused(correction(), 404, "SESSION_NOT_FOUND")
    refused(correction(headers={"If-Match": "*"}), 404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize(("method", "part"), [("POST", "clock"), ("GET", "clock"), ("PATCH", "undo"), ("PUT", "turn")])
def test_a_correction_has_one_method(api, method, part):
    refused(api.request(method, at(created(api), part)), 405, "METHOD_NOT_ALLOWED")
