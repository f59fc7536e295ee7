"""What a body may cost before anybody has looked at what it says, and what it leaves behind when it is answered."""

from __future__ import annotations

import gc
import io
from unittest.mock import Mock, patch
from uuid import uuid4

import httpx
import msgspec
import pytest

from config.asgi import application
from sessions.fastpath import fast_path
from sessions.messages import read_client_frame
from sessions.requests.values import MAX_OBJECT_BYTES
from synckairos.errors import MAX_DETAIL_LENGTH, ValidationFailed
from synckairos.http.body_limits import replay
from synckairos.http.drf import JSONParser
from synckairos.http.json_bounds import MAX_FRAME_VALUES, MAX_VALUES
from tests.conftest import bearer
from tests.talk import JSON, EarlyRequest, at, done, game, seat

TOO_MANY = [{"field": "body", "message": f"At most {MAX_VALUES} values in all: send fewer items, or several requests."}]
MOST = 80_000
"""Empty objects that a body of 256 KiB has room for."""
BODIES = {
    "/v1/sessions": b'{"sync_mode":"global","participants":[%s]}' % b",".join([b"{}"] * MOST),
    "/v1/sessions/batch": b'{"session_ids":[%s]}' % b",".join([b"0"] * MOST),
    "/v1/token": b'{"username":[%s]}' % b",".join([b"[]"] * MOST),
    "/v1/token/refresh": b'{"refresh":{%s}}' % b",".join([b'"a":0'] * MOST)[:256_000],
}


@pytest.mark.parametrize("path", BODIES)
def test_a_body_of_very_many_values_is_refused_as_a_whole(api, path):
    answer = api.post(path, content=BODIES[path], headers=JSON)
    assert (answer.status_code, answer.json()["error"]["details"]) == (400, TOO_MANY)


@pytest.mark.parametrize("body", BODIES.values())
def test_and_nobody_decodes_it(token, body):
    headers = {b"authorization": f"Bearer {token}".encode(), b"content-type": b"application/json"}
    with patch("synckairos.http.json_bounds.decode", side_effect=AssertionError("decoded")):
        assert fast_path.parse(EarlyRequest(headers, body=body), headers) is None
        with pytest.raises(ValidationFailed):
            JSONParser().parse(io.BytesIO(body))


def test_a_large_body_is_decoded_beside_the_event_loop(token):
    headers = {b"authorization": f"Bearer {token}".encode(), b"content-type": b"application/json"}
    body = b'{"sync_mode":"global","total_time_ms":60000,"metadata":{"a":"%s"}}' % (b"x" * 16_384)
    with patch("synckairos.http.json_bounds.decode", side_effect=AssertionError("decoded")):
        assert fast_path.parse(EarlyRequest(headers, body=body), headers) is None


def test_a_frame_of_very_many_values_is_refused_and_not_read():
    filling = ",".join(["0"] * (MAX_FRAME_VALUES - 2))
    assert read_client_frame(f'{{"type":"PING","x":[{filling}]}}')
    with (
        patch("sessions.messages._client_frames", Mock(decode=Mock(side_effect=AssertionError("read")))),
        pytest.raises(ValidationFailed) as refused,
    ):
        read_client_frame(f'{{"type":"PING","x":[0,{filling}]}}')
    assert refused.value.details[0]["message"].startswith(f"At most {MAX_FRAME_VALUES} values in all")


def test_a_float_that_is_slow_to_read_is_read_in_the_quick_way_at_both_doors(token):
    body = b'{"sync_mode":"global","total_time_ms":60000,"metadata":{"far":1e308}}'
    headers = {b"authorization": f"Bearer {token}".encode(), b"content-type": b"application/json"}
    with patch("synckairos.http.json_bounds.math.isinf", return_value=False) as asked:
        assert fast_path.parse(EarlyRequest(headers, body=body), headers) is not None
        assert JSONParser().parse(io.BytesIO(body))["metadata"] == {"far": 1e308}
    assert asked.call_count == 2


# ── the largest that are right ────────────────────────────────────────────────────────────────────────────────────


def brackets() -> dict[str, object]:
    """As many values as an object of 4 KiB has room for."""
    number = (MAX_OBJECT_BYTES - len('{"type":"notify","a":[]}')) // len("[],")
    return {"type": "notify", "a": [[] for _ in range(number)]}


def everything() -> bytes:
    """A creation with every list as long, and every object as full, as it may be; groups of their own would not fit."""
    person = {"group_id": None, "user_id": "u", "participant_index": 1}
    body = game() | {
        "participants": [seat(**person) for _ in range(1_000)],
        "groups": [{"group_id": str(uuid4()), "total_time_ms": 60_000} for _ in range(1_000)],
        "metadata": brackets(),
        "action_on_timeout": brackets(),
        "warning_thresholds_ms": [*range(1, 9)],
        "permissions": ["pause"],
    }
    return msgspec.json.encode(body)


def test_no_body_with_every_list_and_object_full_has_too_many_values():
    content = everything()
    full = content.count(b"[") + content.count(b"{") + content.count(b",")
    assert 14_000 < full < MAX_VALUES
    assert JSONParser().parse(io.BytesIO(content))


def test_a_thousand_participants_with_all_fields_and_full_metadata_are_taken(api):
    names = [f"{',' * 60}{number}" for number in range(1_000)]  # signs in strings are no values
    body = game() | {"metadata": brackets(), "action_on_timeout": brackets()}
    body["participants"] = [
        seat(user_id=name, participant_index=place, group_id=None) for place, name in enumerate(names)
    ]
    content = msgspec.json.encode(body)
    assert content.count(b",") > 4 * MAX_VALUES
    answer = api.post("/v1/sessions", content=content, headers=JSON)
    assert answer.status_code == 201, answer.text
    state = answer.json()["data"]
    assert [one["user_id"] for one in state["participants"]] == names
    assert state["metadata"] == body["metadata"]
    assert api.delete(at(state)).status_code == 204


def test_a_batch_of_as_many_ids_as_allowed_is_taken(api):
    ids = [str(uuid4()) for _ in range(50)]
    assert sorted(done(api.post("/v1/sessions/batch", json={"session_ids": ids}))["missing"]) == sorted(ids)


# ── what is left ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_repeats_no_more_than_a_little_of_what_was_sent(api):
    long = "x" * 200_000
    for body in (game() | {"sync_mode": long}, game() | {long: 0}, game() | {"permissions": [long]}):
        answer = api.post("/v1/sessions", json=body)
        assert answer.status_code == 400
        told = answer.json()["error"]["details"]
        assert any(part.endswith("…") for one in told for part in one.values())
        assert all(len(part) <= MAX_DETAIL_LENGTH for one in told for part in one.values())


async def test_what_a_body_was_decoded_into_is_gone_when_it_is_answered(token):
    """The collector would come much later: it counts objects, and these are few and large."""
    number = 4_321
    bodies = {"/v1/sessions": {"participants": [0] * number}, "/v1/sessions/batch": {"session_ids": [0] * number}}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=bearer(token)) as client:
        gc.collect()
        gc.disable()
        try:
            for path, body in bodies.items():
                content = msgspec.json.encode(body)
                assert (await client.post(path, content=content, headers=JSON)).status_code == 400
            body = {}
            bodies = {}
            objects = gc.get_objects()
            lists = [one for one in objects if type(one) is list and len(one) == number]
        finally:
            gc.enable()
    assert lists == []


async def test_a_body_that_was_handed_on_is_kept_by_nobody_else():
    async def nothing():
        return {"type": "http.disconnect"}

    receive = replay(b"body" * 9, nothing)
    first = await receive()
    assert (first["body"], (await receive())["type"]) == (b"body" * 9, "http.disconnect")
    kept = [cell.cell_contents for cell in receive.__closure__ or ()]
    assert all(not isinstance(one, bytes) for one in kept)
