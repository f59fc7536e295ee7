"""A soft close: whoever bids in the last moment leaves the window to the others, however many bid at once.

All is judged by the instants of the server, so a slow machine may be too late for the last second (then another session
gets a longer one), but never wrong.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import httpx
import pytest

from sessions.store.lua import FOLDER
from tests import servers
from tests.conftest import bearer
from tests.sessions.fastpath.test_fast_path import SLOW
from tests.sockets import screen
from tests.talk import ms

BIDS = 200
AUCTIONS: dict[str, dict[str, Any]] = {
    "a room": {"sync_mode": "global", "total_time_ms": 600_000, "action_on_timeout": {"type": "end_session"}},
    "bidders in turn": {
        "sync_mode": "per_participant",
        "action_on_timeout": {"type": "end_session"},
        "participants": [{"participant_id": str(uuid4()), "total_time_ms": 600_000} for _ in range(2)],
    },
}


Accepted: TypeAlias = list[tuple[dict[str, Any], int]]
"""States in the answers to bids, each with the window of its bid."""


class Broken(AssertionError):
    """A bid was accepted that did not leave its window, or an extension was lost."""


@pytest.fixture(scope="module")
def keeper():
    """A timekeeper, which ends auctions in time."""
    child = servers.managed("timekeeper")
    yield child
    assert child.stop(signal.SIGTERM) == 0


class Auction:
    """A session that ends soon, and many who bid through several web processes."""

    def __init__(self, http: httpx.AsyncClient, webs: list[servers.Web], body: dict[str, Any], window_ms: int) -> None:
        self.http, self.webs, self.body, self.window_ms = http, webs, body, window_ms

    async def last(self, left_ms: int) -> dict[str, Any]:
        """Begin, and leave so much; return the state then."""
        created = await self.http.post(f"{self.webs[0].url}/v1/sessions", json=self.body)
        self.path = f"/v1/sessions/{created.json()['data']['session_id']}"
        await self.http.post(f"{self.webs[0].url}{self.path}/start")
        answer = await self.http.patch(f"{self.webs[0].url}{self.path}/clock", json={"set_ms": left_ms})
        return data_of(answer)

    def window_of(self, number: int) -> int:
        """What a bid leaves to the others; of three bids, each another time."""
        return self.window_ms - 100 * (number % 3)

    async def bid(self, number: int) -> httpx.Response:
        """Bid, at one of the processes; every fourth is served by the view behind the fast path."""
        body = {"at_least_ms": self.window_of(number), "reason": f"bid {number}"}
        headers = SLOW if number % 4 == 3 else {}
        return await self.http.patch(
            f"{self.webs[number % len(self.webs)].url}{self.path}/clock", json=body, headers=headers
        )

    async def state(self, at: int = 0) -> dict[str, Any]:
        """The session as it stands."""
        return data_of(await self.http.get(f"{self.webs[at].url}{self.path}"))

    def accepted(self, answers: list[httpx.Response]) -> Accepted:
        """The bids that were accepted, of answers in the order of their numbers."""
        good = [(number, answer) for number, answer in enumerate(answers) if answer.status_code == httpx.codes.OK]
        return [(answer.json()["data"], self.window_of(number)) for number, answer in good]

    async def stormed(self, left_ms: int) -> tuple[dict[str, Any], list[httpx.Response]]:
        """The state before, and the answers to all bids at once."""
        before = await self.last(left_ms)
        return before, await asyncio.gather(*map(self.bid, range(BIDS)))


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """The data of a success."""
    assert answer.status_code == httpx.codes.OK, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def judged(before: dict[str, Any], accepted: Accepted) -> int:
    """Return the instant at which the clock ends after these accepted bids. Raises Broken."""
    ends_ms: dict[int, int] = {before["version"]: ms(before["deadline_at"])}
    for answer, window_ms in accepted:
        deadline_ms = ms(answer["deadline_at"])
        if min(answer["time_remaining_ms"], deadline_ms - answer["server_time_ms"]) < window_ms:
            raise Broken(f"version {answer['version']} leaves {answer['time_remaining_ms']} ms")
        if ends_ms.setdefault(answer["version"], deadline_ms) != deadline_ms:
            raise Broken(f"version {answer['version']} is two extensions")
    if sorted(ends_ms) != list(range(before["version"], max(ends_ms) + 1)):
        raise Broken("an extension was told to nobody")
    in_order = [ends_ms[version] for version in sorted(ends_ms)]
    if in_order != sorted(in_order):
        raise Broken("an extension took time away")
    latest_ms = max(in_order[0], *(answer["server_time_ms"] + window_ms for answer, window_ms in accepted))
    if in_order[-1] != latest_ms:
        raise Broken(f"the clock ends {in_order[-1] - latest_ms} ms after the last bid's window")
    return latest_ms


@pytest.fixture
async def bidders(token):
    """A client with a connection for each bid."""
    limits = httpx.Limits(max_connections=BIDS, keepalive_expiry=2)
    async with httpx.AsyncClient(headers=bearer(token), timeout=120, limits=limits, verify=False) as http:
        yield http


async def closed_softly(auction: Auction, least_left_ms: int) -> tuple[int, list[httpx.Response], dict[str, Any]]:
    """The end of the clock after bids in its last moment, the answers, and the state after them.

    On a slow machine the clock may end before the first bid comes: then the next auction has more time.
    """
    left_ms = least_left_ms
    while True:
        before, answers = await auction.stormed(left_ms)
        accepted = auction.accepted(answers)
        if accepted:
            return judged(before, accepted), answers, await auction.state(1)
        left_ms *= 2
        assert left_ms <= 60_000, answers[0].text


@pytest.mark.parametrize("kind", AUCTIONS)
async def test_200_bids_at_once_in_the_last_second_leave_the_window_and_none_is_lost(
    webs, keeper, bidders, kind, capsys
):
    auction = Auction(bidders, webs, AUCTIONS[kind], window_ms=30_000)
    ends_ms, answers, after = await closed_softly(auction, 1_000)
    assert [answer.status_code for answer in answers] == [200] * BIDS
    assert (after["status"], ms(after["deadline_at"])) == ("running", ends_ms)
    assert after["time_remaining_ms"] == ends_ms - after["server_time_ms"]
    with capsys.disabled():
        instants = [answer.json()["data"]["server_time_ms"] for answer in answers]
        extended = len({answer.json()["data"]["version"] for answer in answers})
        print(f"\nsoft close: {BIDS} bids within {max(instants) - min(instants)} ms made {extended} extensions")


async def test_the_clock_ends_when_the_window_of_the_last_bid_is_over_and_not_before(webs, keeper, bidders):
    auction = Auction(bidders, webs, AUCTIONS["a room"], window_ms=2_000)
    ends_ms, answers, after = await closed_softly(auction, 1_000)
    while after["status"] == "running":
        assert after["server_time_ms"] < ends_ms
        await asyncio.sleep(0.05)
        after = await auction.state()
    assert after["status"] == "expired"
    assert ms(after["session_completed_at"]) == ends_ms
    for answer in answers:
        assert answer.status_code == 200 or answer.json()["error"]["code"] == "INVALID_STATE_TRANSITION"


async def test_bids_over_sockets_and_rest_at_once_leave_the_window_too(webs, keeper, bidders, token):
    auction = Auction(bidders, webs, AUCTIONS["bidders in turn"], window_ms=30_000)
    before = await auction.last(20_000)
    async with screen(webs[0], before["session_id"], token) as one, screen(webs[1], before["session_id"], token) as two:

        async def by_socket(viewer):
            for number in range(50):
                await viewer.send(type="ADJUST_CLOCK", id=f"{id(viewer)} {number}", at_least_ms=30_000)
            frames = []
            while len(frames) < 50:
                frame = await viewer.receive()
                assert frame["type"] != "ERROR", frame
                if frame["type"] == "ACK":
                    frames.append(frame["data"])
            return frames

        first, second, *answers = await asyncio.gather(by_socket(one), by_socket(two), *map(auction.bid, range(100)))
        by_sockets = [(answer, 30_000) for answer in (*first, *second)]
        ends_ms = judged(before, by_sockets + auction.accepted(answers))
        after = await auction.state()
        assert ms(after["deadline_at"]) == ends_ms
        for viewer in (one, two):
            seen = [frame for frame in viewer.frames if frame["type"] == "STATE_UPDATE"]
            if not seen or seen[-1]["version"] < after["version"]:
                seen.append(await viewer.until_version(after["version"]))
            assert ms(seen[-1]["state"]["deadline_at"]) == ends_ms
            deadlines = [ms(frame["state"]["deadline_at"]) for frame in seen]
            assert deadlines == sorted(deadlines)


async def judged_often(auction: Auction) -> None:
    """Raises Broken for an auction whose process loses extensions."""
    for _ in range(10):
        before, answers = await auction.stormed(20_000)
        judged(before, auction.accepted(answers))


async def test_without_the_version_check_extensions_are_lost(tmp_path: Path, bidders):
    """The mutation: a commit script that compares nothing. The same judge must then find it."""
    source = FOLDER / "commit.lua"
    intact = "if current ~= header then\n  if current == ''"
    assert source.read_text().count(intact) == 1
    mutant = tmp_path / "commit.lua"
    mutant.write_text(source.read_text().replace(intact, "if current == '' and header ~= '' then\n  if current == ''"))
    broken = [servers.mutated_web(mutant) for _ in range(2)]
    try:
        auction = Auction(bidders, [web.wait_ready() for web in broken], AUCTIONS["a room"], window_ms=30_000)
        with pytest.raises(Broken):
            await judged_often(auction)
    finally:
        for web in broken:
            web.stop()
