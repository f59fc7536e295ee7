"""A person's name at every door: the seat of one is never the seat of another. And a long token at every door."""

from __future__ import annotations

import contextlib
import json
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

from synckairos.auth.principal import MAX_TOKEN_LENGTH, mint
from tests.conftest import bearer
from tests.forging import us
from tests.sessions.fastpath.test_fast_path import SLOW
from tests.synckairos.auth.test_names import NAMES, NO_NAMES, token_of
from tests.talk import at, created, done, wrong_fields

SENDABLE = {kind: name for kind, name in NO_NAMES.items() if kind != "half a character"}


def seated(user_id):
    seat = {"participant_id": str(uuid4()), "total_time_ms": 60_000, "user_id": user_id}
    return {"sync_mode": "per_participant", "participants": [seat]}


@pytest.mark.parametrize("door", [{}, SLOW], ids=["hot", "view"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_seat_is_its_person_s_and_nobody_else_s(api, name, door):
    state = created(api, seated(name), **door)
    assert state["participants"][0]["user_id"] == name
    for person, status in ((name, 200), (f"{name[:-1]}x", 404)):
        answer = api.get(at(state), headers=bearer(mint(person, is_staff=False)))
        assert answer.status_code == status


@pytest.mark.parametrize("door", [{}, SLOW], ids=["hot", "view"])
@pytest.mark.parametrize("name", SENDABLE.values(), ids=SENDABLE)
def test_a_seat_for_what_is_no_name_is_refused(api, name, door):
    answer = api.post("/v1/sessions", json=seated(name), headers=door)
    assert wrong_fields(answer) == ["body" if "\0" in name else "participants.0.user_id"]
    newcomer = seated(name)["participants"][0]
    answer = api.post(at(created(api), "participants"), json=newcomer)
    assert wrong_fields(answer) == ["body" if "\0" in name else "user_id"]


def test_texts_are_kept_as_they_were_sent(api):
    """What a name is not, is text of the client's: a reason with spaces around it keeps them."""
    state = done(api.post(at(created(api), "start")))
    address = at(state, "participants", state["active_participant_id"])
    with contextlib.closing(socket_of(api, state["session_id"], mint("alice", is_staff=False))) as socket:
        assert json.loads(socket.recv(30))["type"] == "CONNECTED"
        done(api.patch(address, json={"adjust_ms": 1, "reason": "  late \n"}))
        assert json.loads(socket.recv(30))["events"][0]["reason"] == "  late \n"
    assert wrong_fields(api.patch(address, json={"adjust_ms": 1, "reason": " \n"})) == ["reason"]


def socket_of(api, session_id, token, *, by="header"):
    """A socket whose credentials stand there."""
    address = f"{api.base_url}/ws?sessionId={session_id}".replace("http", "ws", 1).replace("//ws", "/ws")
    match by:
        case "header":
            return connect(address, additional_headers=bearer(token))
        case "sub-protocol":
            return connect(address, subprotocols=["synckairos.v2", f"bearer.{token}"])
        case "query":
            return connect(f"{address}&token={token}")
    raise ValueError(by)


@pytest.mark.parametrize("by", ["header", "sub-protocol", "query"])
def test_a_socket_takes_a_token_of_eight_kib(api, by):
    token = token_of(MAX_TOKEN_LENGTH)
    with contextlib.closing(socket_of(api, uuid4(), token, by=by)) as socket:
        assert json.loads(socket.recv(30))["type"] == "CONNECTED"
        socket.send(json.dumps({"type": "AUTH", "id": "a", "token": token_of(MAX_TOKEN_LENGTH)}))
        answer = json.loads(socket.recv(30))
    assert (answer["type"], answer["id"]) == ("ACK", "a")


def test_requests_and_streams_take_a_token_of_eight_kib_and_sell_tickets_for_it(api):
    token = token_of(MAX_TOKEN_LENGTH)
    state = created(api)
    assert httpx.get(f"{api.base_url}{at(state)}", headers=bearer(token)).status_code == 200
    with api.stream("GET", f"{at(state)}/stream?token={token}", headers={"Authorization": ""}) as answer:
        assert answer.status_code == 401  # a header is final, even an empty one
    with httpx.stream("GET", f"{api.base_url}{at(state)}/stream?token={token}", timeout=30) as answer:
        assert answer.status_code == 200
    sold = api.post("/v1/ws-tickets", json={"session_id": state["session_id"]}, headers=bearer(token))
    assert sold.status_code == 201


def test_a_longer_one_is_refused_by_every_door_alike(api):
    token = us().token(pad="x" * 6_200)
    assert MAX_TOKEN_LENGTH < len(token) < MAX_TOKEN_LENGTH + 1_000
    assert api.get(at(created(api)), headers=bearer(token)).status_code == 401
    with contextlib.closing(socket_of(api, uuid4(), mint("alice", is_staff=False))) as socket:
        socket.recv(30)
        socket.send(json.dumps({"type": "AUTH", "id": "a", "token": token}))
        assert json.loads(socket.recv(30))["code"] in {"VALIDATION_ERROR", "UNAUTHENTICATED"}
