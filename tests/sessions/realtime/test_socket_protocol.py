"""What a socket says and hears (docs/protocol.md), on a real server."""

from __future__ import annotations

import asyncio
import json
import os
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import connect

from sessions import frames
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests import servers
from tests.sockets import Screen, screen


@pytest.fixture
def session_id(api, game):
    return api.post("/v1/sessions", json=game).json()["data"]["session_id"]


def act(client, session_id, verb, **body):
    answer = client.post(f"/v1/sessions/{session_id}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_the_first_frame_is_connected_with_the_whole_state(webs, token, session_id):
    async with screen(webs[0], session_id, token) as alice:
        first = await alice.receive()
    assert first["type"] == "CONNECTED"
    assert first["sessionId"] == session_id
    assert isinstance(first["timestamp"], int)
    assert first["version"] == first["state"]["version"] == 1
    assert first["epoch"] == first["state"]["epoch"]


async def test_every_transition_reaches_the_clients_of_both_processes(webs, api, other_api, token, session_id):
    async with screen(webs[0], session_id, token) as alice, screen(webs[1], session_id, token) as bob:
        for viewer in (alice, bob):
            await viewer.until("CONNECTED")
        steps = [
            (api, "start"),
            (other_api, "switch"),
            (api, "pause"),
            (other_api, "resume"),
            (api, "switch"),
            (other_api, "complete"),
        ]
        for version, (client, verb) in enumerate(steps, start=2):
            act(client, session_id, verb)
            for viewer in (alice, bob):
                frame = await viewer.until("STATE_UPDATE")
                assert frame["version"] == frame["state"]["version"] == version
                assert frame["since_version"] == version - 1
        assert [f["events"][0]["type"] for f in bob.frames[1:]] == [
            "session.started",
            "cycle.switched",
            "session.paused",
            "session.resumed",
            "cycle.switched",
            "session.completed",
        ]


async def test_a_socket_opened_before_its_session_exists_shows_it_once_it_does(webs, api, token, game):
    session_id = str(uuid4())
    async with screen(webs[1], session_id, token) as early:
        first = await early.receive()
        assert first["type"] == "CONNECTED"
        assert first["state"] is None
        api.post("/v1/sessions", json={**game, "session_id": session_id})
        assert (await early.until("STATE_UPDATE"))["version"] == 1


async def test_a_deleted_session_says_so_and_closes_normally(webs, api, token, session_id):
    async with screen(webs[1], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        assert api.delete(f"/v1/sessions/{session_id}").status_code == 204
        assert (await viewer.until("SESSION_DELETED"))["sessionId"] == session_id
        assert await viewer.closed() == (1000, "Session deleted")


async def test_ping_is_answered_with_the_servers_clock_and_the_clients_own_timestamp(webs, api, token, session_id):
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        before_ms = api.get("/v1/time").json()["timestamp_ms"]
        await viewer.send(type="PING", timestamp=12345)
        pong = await viewer.until("PONG")
        assert pong["client_timestamp"] == 12345
        assert pong["server_received_ms"] <= pong["server_sent_ms"] == pong["timestamp"]
        assert before_ms - 100 <= pong["timestamp"] <= api.get("/v1/time").json()["timestamp_ms"] + 100
        await viewer.send(type="PING")
        assert "client_timestamp" not in await viewer.until("PONG")


async def test_reconnect_brings_exactly_what_was_missed(webs, api, token, session_id):
    async with screen(webs[0], session_id, token) as viewer:
        first = await viewer.until("CONNECTED")
        for verb in ("start", "switch", "pause"):
            act(api, session_id, verb)
        await viewer.until_version(4)
        await viewer.send(type="RECONNECT", last_version=2, epoch=first["epoch"])
        sync = await viewer.until("STATE_SYNC")
        assert sync["recovered"] is True
        assert [event["type"] for event in sync["missed"]] == ["cycle.switched", "session.paused"]
        assert sync["state"]["version"] == sync["version"] == 4


@pytest.mark.parametrize(
    ("last_version", "epoch"),
    [(None, None), (1, "00000000"), (99, None), (0, "same")],
    ids=["v2 client", "another epoch", "from the future", "before the window"],
)
async def test_reconnect_brings_the_whole_state_when_nothing_can_be_proved(
    webs, api, token, session_id, last_version, epoch
):
    act(api, session_id, "start")
    for _ in range(20):
        act(api, session_id, "switch")
    async with screen(webs[0], session_id, token) as viewer:
        first = await viewer.until("CONNECTED")
        epoch = first["epoch"] if epoch == "same" else epoch
        await viewer.send(type="RECONNECT", last_version=last_version, epoch=epoch)
        sync = await viewer.until("STATE_SYNC")
        assert sync["recovered"] is False
        assert sync["missed"] == []
        assert sync["state"]["version"] == 22


async def test_reconnect_to_a_session_that_does_not_exist_is_an_error(webs, token):
    async with screen(webs[0], str(uuid4()), token) as viewer:
        await viewer.until("CONNECTED")
        await viewer.send(type="RECONNECT")
        assert (await viewer.until("ERROR"))["code"] == "SESSION_NOT_FOUND"


async def test_commands_over_the_socket_are_acknowledged_and_seen_by_all(webs, token, session_id):
    async with screen(webs[0], session_id, token) as alice, screen(webs[1], session_id, token) as bob:
        await bob.until("CONNECTED")
        await alice.send(type="START", id="a")
        assert (await alice.until("ACK"))["data"]["status"] == "running"
        await alice.send(type="SWITCH", id="b")
        ack = await alice.until("ACK")
        assert (ack["id"], ack["version"]) == ("b", 3)
        assert (await bob.until_version(3))["events"][-1]["type"] == "cycle.switched"


async def test_a_repeated_command_id_is_applied_once(webs, api, token, session_id):
    act(api, session_id, "start")
    async with screen(webs[0], session_id, token) as alice:
        for _ in range(3):
            await alice.send(type="SWITCH", id="only once")
            assert (await alice.until("ACK"))["version"] == 3
    assert api.get(f"/v1/sessions/{session_id}").json()["data"]["version"] == 3


async def test_a_command_id_belongs_to_the_session_and_not_to_one_made_anew_under_its_id(webs, api, token, session_id):
    async with screen(webs[0], session_id, token) as alice:
        await alice.send(type="START", id="once")
        first = await alice.until("ACK")
    api.delete(f"/v1/sessions/{session_id}")
    api.post("/v1/sessions", json={"session_id": session_id, "sync_mode": "count_up"})
    async with screen(webs[0], session_id, token) as alice:
        await alice.send(type="START", id="once")
        second = await alice.until("ACK")
    assert second["data"]["status"] == "running"
    assert second["data"]["epoch"] != first["data"]["epoch"]
    assert api.get(f"/v1/sessions/{session_id}").json()["data"]["version"] == 2


async def test_a_refused_command_is_an_error_with_its_id(webs, token, session_id):
    async with screen(webs[0], session_id, token) as alice:
        await alice.send(type="SWITCH", id=7)
        error = await alice.until("ERROR")
        assert (error["id"], error["code"]) == (7, "INVALID_STATE_TRANSITION")
        assert "pending" in error["message"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [("", "Missing sessionId parameter"), ("?sessionId=nonsense", "Invalid sessionId format")],
)
async def test_a_socket_without_a_proper_session_id_is_closed_with_1008(webs, token, query, reason):
    async with connect(f"{webs[0].ws_url}/ws{query}") as connection:
        assert await Screen(connection).closed() == (1008, reason)


@pytest.mark.parametrize("token_given", ["", "&token=nonsense", "&token=a.b.c"])
async def test_a_socket_without_valid_credentials_must_not_come_back(webs, session_id, token_given):
    async with connect(f"{webs[0].ws_url}/ws?sessionId={session_id}{token_given}") as connection:
        assert (await Screen(connection).closed())[0] == 4501


async def test_credentials_may_stand_in_the_sub_protocol_or_the_address(webs, token, session_id):
    address = f"{webs[0].ws_url}/ws?sessionId={session_id}"
    async with connect(address, subprotocols=["synckairos.v2", f"bearer.{token}"]) as connection:
        assert connection.subprotocol == "synckairos.v2"
        assert (await Screen(connection).receive())["type"] == "CONNECTED"
    async with connect(f"{address}&token={token}") as connection:
        assert (await Screen(connection).receive())["type"] == "CONNECTED"


async def test_any_other_path_is_closed(webs):
    async with connect(f"{webs[0].ws_url}/elsewhere") as connection:
        assert (await Screen(connection).closed())[0] == 1008


HOSTILE = [
    "",
    "not json",
    "null",
    "[]",
    "1",
    '"PING"',
    "{}",
    '{"type": null}',
    '{"type": 1}',
    '{"type": "NOPE"}',
    '{"type": "session.frames"}',
    '{"type": "websocket.disconnect"}',
    '{"type": "PING", "timestamp": {}}',
    '{"type": "RECONNECT", "last_version": "x"}',
    '{"type": "SWITCH", "next_participant_id": "x"}',
    '{"type": "SWITCH", "id": {"a": 1}}',
    '{"type": "PING", "type": "START"}x',
    '{"type":' * 1000,
    "[" * 5000,
    '{"type": "PING", "timestamp": NaN}',
    '{"type": "\ud800"}'.encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "\0",
    "x" * 10_000,
    '{"type": "START", "id": 1, "id": 2}',
    '{"type": "PING", "type": "PING"}',
    '{"type": "PING", "more": {"a": 1, "a": 1}}',
    '{"type": "PING", "more": ' + "[" * 7_000 + "]" * 7_000 + "}",
    '{"type": "PING", "timestamp": ' + "9" * 5_000 + "}",
    '{"type": "AUTH"}',
    '{"type": "AUTH", "token": null}',
    '{"type": "AUTH", "token": "' + "x" * 9_000 + '"}',
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_frame_is_an_error_and_the_socket_lives_on(webs, token, session_id, text):
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        await viewer.connection.send(text)
        assert (await viewer.until("ERROR"))["code"] == "VALIDATION_ERROR"
        await viewer.send(type="PING")
        await viewer.until("PONG")


WRONG = [None, True, 0, -1, 1.5, 2**63, 10**40, "", "x" * 5_000, "\\ud800", [], [[]], {}, {"a": {"b": []}}]


@pytest.mark.parametrize("kind", [kind.__struct_config__.tag for kind in frames.CLIENT_FRAMES])
async def test_no_value_of_any_field_of_any_frame_kills_the_socket_or_floods_the_log(webs, token, session_id, kind):
    """Each frame has an answer: what it asks for, or an error."""
    (shape,) = [one for one in frames.CLIENT_FRAMES if one.__struct_config__.tag == kind]
    said_before = webs[0].faults()
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        for field in (*shape.__struct_fields__, "unknown"):
            for number, value in enumerate(WRONG):
                text = json.dumps({"type": kind, field: value}).replace("\\\\ud800", "\\ud800")
                await viewer.connection.send(text)
                await viewer.connection.send(json.dumps({"type": "PING", "timestamp": f"{field} {number}"}))
                before = len(viewer.frames)
                await viewer.until("PONG", client_timestamp=f"{field} {number}")
                told = {frame["type"] for frame in viewer.frames[before:]}
                assert told & {"ERROR", "ACK", "STATE_SYNC"} or kind == "PING", text
    assert webs[0].faults() == said_before


async def test_after_hostile_frames_nothing_is_left_of_the_socket(webs, token, session_id):
    def subscriptions() -> int:
        return redis_client.blocking_client().pubsub_numsub(keys.group_channel(UUID(session_id)))[0][1]

    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        assert subscriptions() == 1
        for text in (*HOSTILE, "x" * 20_000):
            await viewer.connection.send(text)
        assert (await viewer.closed())[0] == 1009
    await asyncio.to_thread(servers.wait_until, lambda: subscriptions() == 0, 30, "the group is left")


async def test_a_binary_frame_is_an_error_and_the_socket_lives_on(webs, token, session_id):
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        await viewer.connection.send(os.urandom(64))
        assert (await viewer.until("ERROR"))["code"] == "VALIDATION_ERROR"
        await viewer.send(type="PING")
        await viewer.until("PONG")


async def test_random_frames_never_kill_the_consumer(webs, api, token, session_id):
    act(api, session_id, "start")
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        for size in range(1, 200):
            await viewer.connection.send(os.urandom(size).decode("latin-1"))
            await viewer.connection.send(json.dumps({"type": "SWITCH", os.urandom(3).hex(): [size] * (size % 9)}))
        await viewer.send(type="PING", timestamp="done")
        await viewer.until("PONG", within_s=30)
    assert "socket handler failed" not in webs[0].output()


async def test_a_frame_beyond_16_kib_closes_this_socket_only(webs, token, session_id):
    async with screen(webs[0], session_id, token) as big, screen(webs[0], session_id, token) as other:
        await other.until("CONNECTED")
        await big.connection.send("x" * 20_000)
        assert (await big.closed())[0] == 1009
        await other.send(type="PING")
        await other.until("PONG")


async def test_a_command_that_cannot_be_read_is_an_error_with_its_id(webs, token, session_id):
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.send(type="SWITCH", id="bad", next_participant_id="nobody")
        error = await viewer.until("ERROR")
        assert (error["id"], error["code"]) == ("bad", "VALIDATION_ERROR")


async def test_elapsed_time_is_shown_for_a_clock_that_counts_up(webs, api, token):
    body = {"sync_mode": "count_up"}
    session_id = api.post("/v1/sessions", json=body).json()["data"]["session_id"]
    started = act(api, session_id, "start")
    paused = act(api, session_id, "pause")
    assert started["elapsed_ms"] == 0
    assert paused["elapsed_ms"] == paused["server_time_ms"] - started["server_time_ms"]
    assert paused["time_remaining_ms"] is None


STRICT = [
    ("next_participant_id", "0" * 31 + "1"),
    ("current_participant_id", "{00000000-0000-4000-8000-000000000001}"),
    ("expected_version", 2**53 + 1),
    ("expected_version", -1),
]


@pytest.mark.parametrize(("field", "value"), STRICT)
async def test_a_frame_takes_what_a_rest_body_takes_and_no_other_forms(webs, api, token, session_id, field, value):
    assert api.post(f"/v1/sessions/{session_id}/switch", json={field: value}).status_code == 400
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        await viewer.send(type="SWITCH", id="one", **{field: value})
        error = await viewer.until("ERROR")
        assert (error["code"], error["id"]) == ("VALIDATION_ERROR", "one")
