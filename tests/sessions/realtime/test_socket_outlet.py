"""A slow socket: states conflate, the last one always arrives, nothing goes back, memory is bounded."""

from __future__ import annotations

import asyncio

import pytest

from sessions.realtime.outlet import MAX_WAITING, Outlet, Position


class SlowSocket:
    """Takes a frame only when the test lets it."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(0)
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None

    async def send(self, frame: str) -> None:
        await self.gate.acquire()
        self.sent.append(frame)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


async def playing(act) -> SlowSocket:
    """Let `act` leave frames while the socket takes none, then let it take all."""
    socket = SlowSocket()
    outlet = Outlet(socket.send, socket.close)
    writer = asyncio.create_task(outlet.run())
    await act(outlet, socket)
    for _ in range(1_000):
        socket.gate.release()
    await asyncio.sleep(0.01)
    writer.cancel()
    return socket


async def test_only_the_newest_state_waits_and_it_always_arrives():
    async def act(outlet, socket):
        outlet.release("hello")
        for version in range(1, 500):
            outlet.offer_state("e", version, f"state {version}")
            await asyncio.sleep(0)

    socket = await playing(act)
    assert socket.sent[0] == "hello"
    assert socket.sent[-1] == "state 499"
    assert len(socket.sent) <= 3


async def test_a_state_that_is_not_newer_is_dropped():
    async def act(outlet, socket):
        outlet.release("hello", Position("e", 5))
        for version in (4, 5, 6, 5):
            outlet.offer_state("e", version, f"state {version}")

    assert (await playing(act)).sent == ["hello", "state 6"]


async def test_a_session_made_anew_under_the_same_id_is_shown():
    async def act(outlet, socket):
        outlet.release("hello", Position("old", 50))
        outlet.offer_state("new", 1, "reborn")

    assert (await playing(act)).sent == ["hello", "reborn"]


async def test_nothing_is_sent_before_the_first_frame():
    async def act(outlet, socket):
        outlet.offer_state("e", 2, "state 2")
        outlet.put("notice")
        await asyncio.sleep(0.01)
        outlet.release("hello")

    assert (await playing(act)).sent == ["hello", "notice", "state 2"]


async def test_an_answer_with_a_state_is_not_followed_by_an_older_one():
    async def act(outlet, socket):
        outlet.release("hello")
        outlet.offer_state("e", 2, "state 2")
        assert outlet.put_sync(Position("e", 3), "sync 3")

    assert (await playing(act)).sent == ["hello", "sync 3"]


async def test_answers_that_nobody_reads_are_bounded():
    async def act(outlet, socket):
        outlet.release("hello")
        for number in range(10_000):
            outlet.put(f"answer {number}")

    socket = await playing(act)
    assert len(socket.sent) <= MAX_WAITING
    assert socket.sent[-1] == "answer 9999"


async def test_the_last_frame_comes_before_the_close():
    async def act(outlet, socket):
        outlet.release("hello")
        outlet.offer_state("e", 2, "state 2")
        outlet.finish(1000, "Session deleted", "deleted")
        outlet.finish(1012, "too late")

    socket = await playing(act)
    assert socket.sent == ["hello", "state 2", "deleted"]
    assert socket.closed == (1000, "Session deleted")


async def test_an_answer_with_an_older_state_than_was_sent_is_not_sent():
    async def act(outlet, socket):
        outlet.release("hello")
        outlet.offer_state("e", 6, "state 6")
        assert not outlet.put_sync(Position("e", 5), "sync 5")

    assert (await playing(act)).sent == ["hello", "state 6"]


@pytest.mark.parametrize(("waiting", "follows"), [(5, []), (6, []), (7, ["state 7"])])
async def test_of_what_waits_for_the_first_frame_only_news_follow_it(waiting, follows):
    async def act(outlet, socket):
        outlet.offer_state("e", waiting, f"state {waiting}")
        outlet.release("connected 6", Position("e", 6))

    assert (await playing(act)).sent == ["connected 6", *follows]


async def test_once_it_is_closing_nothing_takes_the_place_of_the_last_frame():
    async def act(outlet, socket):
        outlet.release("hello")
        outlet.finish(1000, "Session deleted", "deleted")
        outlet.offer_state("e", 9, "state 9")
        outlet.put_sync(Position("e", 9), "sync 9")

    assert (await playing(act)).sent[-1] == "deleted"


async def test_notices_come_before_the_state_they_led_to_and_not_without_it():
    async def act(outlet, socket):
        outlet.release("hello", Position("e", 5))
        outlet.offer_state("e", 5, "state 5", ["old notice"])
        outlet.offer_state("e", 6, "state 6", ["notice"])

    assert (await playing(act)).sent == ["hello", "notice", "state 6"]


async def test_an_answer_with_a_state_survives_any_number_of_other_answers():
    async def act(outlet, socket):
        outlet.release("hello")
        outlet.put_sync(Position("e", 7), "sync 7")
        for number in range(3 * MAX_WAITING):
            outlet.put(f"pong {number}")

    assert (await playing(act)).sent[-1] == "sync 7"
