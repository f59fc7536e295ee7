"""Lag compensation over sockets: the server measures by its own pings, and grants no more than that.

All is judged by what the events say (claimed, measured, granted), so a slow machine changes no result.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from websockets.frames import Frame, Opcode

from synckairos.auth.principal import mint
from tests.proxy import Proxy
from tests.sockets import WITHIN_S, screen
from tests.synckairos.webserver.test_websocket_server import Mute

DELAY_MS = 120
"""The delay of the proxy in each direction."""


class SlowNetwork(Proxy):
    """A proxy that passes everything on a while later, in order."""

    async def _requests(self, reader, writer, doomed):
        await self._later(reader, writer)

    async def _replies(self, reader, writer, doomed):
        await self._later(reader, writer)

    async def _later(self, reader, writer):
        while data := await reader.read(1 << 20):
            await asyncio.sleep(DELAY_MS / 1_000)  # the subject of the tests
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def slow(web):
    proxy = SlowNetwork(web.port)
    await proxy.start()
    try:
        yield SimpleNamespace(ws_url=f"ws://127.0.0.1:{proxy.port}")
    finally:
        await proxy.stop()


def running(api, game, total_time_ms=600_000, **options):
    """The id of a running game with lag compensation; ten minutes for each give a quota of three seconds."""
    for seat in game["participants"]:
        seat["total_time_ms"] = total_time_ms
    body = game | {"lag_compensation": True} | options
    session_id = api.post("/v1/sessions", json=body).json()["data"]["session_id"]
    assert api.post(f"/v1/sessions/{session_id}/start").status_code == 200
    return session_id


@pytest.fixture
def session_id(api, game):
    return running(api, game)


class ByHand:
    """A peer whose pongs the test sends."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.pings = []
        """The payloads of the pings that have come."""

    def send(self, opcode, payload):
        self.writer.write(Frame(opcode, payload).serialize(mask=True))

    async def receive(self):
        """Return the next text, and note the pings before it."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                opcode, payload = await self._frame()
                if opcode == Opcode.TEXT:
                    return json.loads(payload)
                assert opcode == Opcode.PING
                self.pings.append(payload)

    async def pinged(self):
        """Wait for the next ping, and return its payload."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                opcode, payload = await self._frame()
                if opcode == Opcode.PING:
                    return payload

    async def asked(self, kind, **frame):
        """Send a frame, and return the first text of this type."""
        self.send(Opcode.TEXT, json.dumps(frame).encode())
        while (received := await self.receive())["type"] != kind:
            pass
        return received

    async def switched(self):
        """Switch, and say that the user has not thought at all. Return the lag that the event tells."""
        update = await self.asked("STATE_UPDATE", type="SWITCH", think_ms=0)
        [event] = [event for event in update["events"] if event["type"] == "cycle.switched"]
        return event["lag"]

    async def _frame(self):
        head = await self.reader.readexactly(2)
        length = head[1]
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        return Opcode(head[0] & 15), await self.reader.readexactly(length)


@asynccontextmanager
async def by_hand(web, session_id, token):
    reader, writer = await asyncio.open_connection(sock=await Mute.open(web, session_id, token, "&heartbeat=300"))
    try:
        await reader.readuntil(b"\r\n\r\n")
        yield ByHand(reader, writer)
    finally:
        writer.close()


async def switched(client, **claim):
    """Switch, and return the event with the seat of whoever finished, before and after."""
    before = client.frames[-1]["state"]
    await client.send(type="SWITCH", **claim)
    update = await client.until_version(before["version"] + 1)
    [event] = [event for event in update["events"] if event["type"] == "cycle.switched"]
    seats = [
        next(p for p in state["participants"] if p["participant_id"] == event["from_participant_id"])
        for state in (before, update["state"])
    ]
    return event, *seats


async def measured(client, think):
    """Switch until the server has measured the lag of this socket: a turn for each try. Returns the last switch."""
    while True:
        event, before, after = await switched(client, **await think())
        if event["lag"]["measured_ms"] is not None:
            return event, before, after


async def at_once():
    return {"think_ms": 0}


async def lying():
    await asyncio.sleep(0.4)  # a player that thinks, and says it has not
    return {"think_ms": 0}


def check_charged(event, before, after):
    """What was granted is not charged, and the state shows what was granted and what was not."""
    lag = event["lag"]
    assert after["total_time_ms"] == before["total_time_ms"] - event["turn_ms"] + lag["granted_ms"]
    assert after["lag"]["granted_ms"] == before["lag"]["granted_ms"] + lag["granted_ms"]
    claimed_ms = lag["claimed_ms"]
    assert after["lag"]["uncompensated_ms"] == before["lag"]["uncompensated_ms"] + claimed_ms - lag["granted_ms"]


async def test_an_honest_client_on_a_slow_network_gets_its_lag_back(webs, token, session_id):
    async with slow(webs[0]) as network, screen(network, session_id, token) as client:
        await client.until("CONNECTED")
        event, before, after = await measured(client, at_once)
        lag = event["lag"]
        assert lag["claimed_ms"] == event["turn_ms"]
        assert lag["measured_ms"] >= 2 * DELAY_MS
        assert lag["granted_ms"] == min(lag["claimed_ms"], lag["measured_ms"], 3_000)
        check_charged(event, before, after)


async def test_an_honest_client_that_thinks_is_not_charged_for_its_network(webs, token, session_id):
    async with slow(webs[0]) as network, screen(network, session_id, token) as client:
        await client.until("CONNECTED")
        await measured(client, at_once)
        shown_s = time.monotonic()
        await asyncio.sleep(0.3)  # the user thinks
        think_ms = int((time.monotonic() - shown_s) * 1_000)
        event, before, after = await switched(client, think_ms=think_ms)
        lag = event["lag"]
        assert lag["claimed_ms"] == event["turn_ms"] - think_ms
        assert lag["granted_ms"] == min(lag["claimed_ms"], lag["measured_ms"], 3_000) > DELAY_MS
        check_charged(event, before, after)


@pytest.mark.parametrize("network", ["quick", "slow"])
async def test_a_client_that_lies_gains_nothing_beyond_what_the_server_measured(webs, token, session_id, network):
    async with slow(webs[0]) as behind, screen(behind if network == "slow" else webs[0], session_id, token) as client:
        await client.until("CONNECTED")
        for _ in range(3):
            event, before, after = await measured(client, lying)
            lag = event["lag"]
            assert lag["claimed_ms"] == event["turn_ms"] >= 400
            assert lag["granted_ms"] <= lag["measured_ms"]
            check_charged(event, before, after)


async def test_over_rest_nothing_is_measured_and_nothing_granted(webs, api, token, session_id):
    async with screen(webs[0], session_id, token) as client:
        await client.until("CONNECTED")
        answer = api.post(f"/v1/sessions/{session_id}/switch", json={"think_ms": 0})
        assert answer.status_code == 200
        [event] = (await client.until("STATE_UPDATE"))["events"]
        assert (event["lag"]["measured_ms"], event["lag"]["granted_ms"]) == (None, 0)
        assert event["lag"]["claimed_ms"] == event["turn_ms"]


async def test_a_client_that_answers_late_gains_no_more_than_its_quota(webs, api, token, game):
    """The server measures as long as the client lets it wait; a minute on the clock gives a quota of 1 170 ms."""
    session_id, opened_s = running(api, game, total_time_ms=60_000), time.monotonic()
    async with by_hand(webs[0], session_id, token) as liar:
        payload = await liar.pinged()
        pinged_s = time.monotonic()
        await asyncio.sleep(1.3)  # the lag that it pretends
        waited_ms = int((time.monotonic() - pinged_s) * 1_000)
        liar.send(Opcode.PONG, payload)
        lag = await liar.switched()
        assert waited_ms <= lag["measured_ms"] <= (time.monotonic() - opened_s) * 1_000
        assert lag["granted_ms"] == 1_170


async def test_only_the_answer_to_the_last_ping_measures_a_round_trip(webs, token, session_id):
    """A peer that answers no ping, but sends pongs of its own, is not measured by them."""
    async with by_hand(webs[0], session_id, token) as liar:
        payload = await liar.pinged()
        for forged in (b"", b"\0" * len(payload), payload[:-1], payload + b"\0"):
            liar.send(Opcode.PONG, forged)
        lag = await liar.switched()
        assert (lag["measured_ms"], lag["granted_ms"]) == (None, 0)
        liar.send(Opcode.PONG, payload)
        assert (await liar.switched())["measured_ms"] is not None


async def test_who_may_not_switch_is_not_measured(webs, api, game):
    session_id = running(api, game, visibility="public")
    async with by_hand(webs[0], session_id, mint("viewer", is_staff=False)) as viewer:
        assert (await viewer.asked("PONG", type="PING"))["type"] == "PONG"
        assert not viewer.pings


async def test_players_of_a_session_without_compensation_are_not_measured(webs, api, token, game):
    session_id = running(api, game, lag_compensation=False)
    async with by_hand(webs[0], session_id, token) as player:
        await player.asked("ACK", type="SWITCH")
        await player.asked("PONG", type="PING")
        assert not player.pings


async def test_a_session_without_compensation_has_no_lag_in_its_events(webs, api, token, game):
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{session_id}/start")
    async with screen(webs[0], session_id, token) as client:
        await client.until("CONNECTED")
        await client.send(type="SWITCH", think_ms=0)
        [event] = (await client.until("STATE_UPDATE"))["events"]
        assert event["lag"] is None
        assert "lag" not in client.frames[-1]["state"]["participants"][0]
