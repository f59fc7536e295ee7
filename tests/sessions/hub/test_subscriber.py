"""A slow socket: states conflate, the last one always arrives, nothing goes back, memory is bounded."""

from __future__ import annotations

import asyncio
import random
from uuid import uuid4

import pytest

from sessions.hub.client_checks import check
from sessions.hub.hub import hub, stop_hub
from sessions.hub.position import Position
from sessions.hub.subscriber import MAX_QUEUED, Subscriber
from synckairos.auth.principal import Principal
from synckairos.redis import client as redis_client
from synckairos.webserver.transport import Frame


class SlowTransport:
    """Has room only when the test makes some."""

    def __init__(self) -> None:
        self.room = 0
        self.sent: list[str] = []
        self.ended: tuple[str, int, str] | None = None
        self.on_writable = self.on_blocked = self.raw_transport = None
        self.is_open = True

    @property
    def is_writable(self) -> bool:
        return self.room > 0

    def set_ping_interval(self, seconds: float) -> None:
        """It needs none."""

    def write(self, frame: Frame) -> None:
        self.room -= 1
        self.sent.append(frame.payload.decode())

    def try_write(self, frame: Frame) -> bool:
        if self.room <= 0 or self.ended is not None:
            return False
        self.write(frame)
        return True

    def close(self, code: int, reason: str) -> None:
        self.ended = ("closed", code, reason)

    def force_close(self, code: int, reason: str) -> None:
        self.ended = ("force_closed", code, reason)

    def drain(self) -> None:
        self.room = 10_000
        self.on_writable()


ALICE = Principal("alice", is_staff=False, expires_s=2**40)


def f(text: str) -> Frame:
    return Frame(text.encode())


async def playing(act) -> SlowTransport:
    """Let `act` leave frames while the transport takes none, then let it take all."""
    transport = SlowTransport()
    await act(Subscriber(transport, ALICE), transport)
    transport.drain()
    return transport


async def test_only_the_newest_state_waits_and_it_always_arrives():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        for version in range(1, 500):
            subscriber.offer_state("e", version, f(f"state {version}"))

    socket = await playing(act)
    assert socket.sent[0] == "hello"
    assert socket.sent[-1] == "state 499"
    assert len(socket.sent) <= 3


async def test_a_state_that_is_not_newer_is_dropped():
    async def act(subscriber, socket):
        subscriber.start(f("hello"), Position("e", 5))
        for version in (4, 5, 6, 5):
            subscriber.offer_state("e", version, f(f"state {version}"))

    assert (await playing(act)).sent == ["hello", "state 6"]


async def test_a_session_made_anew_under_the_same_id_is_shown():
    async def act(subscriber, socket):
        subscriber.start(f("hello"), Position("old", 50))
        subscriber.offer_state("new", 1, f("reborn"))

    assert (await playing(act)).sent == ["hello", "reborn"]


async def test_nothing_is_sent_before_the_first_frame():
    async def act(subscriber, socket):
        subscriber.offer_state("e", 2, f("state 2"))
        subscriber.enqueue(f("notice"))
        subscriber.start(f("hello"))

    assert (await playing(act)).sent == ["hello", "notice", "state 2"]


async def test_an_answer_with_a_state_is_not_followed_by_an_older_one():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        subscriber.offer_state("e", 2, f("state 2"))
        assert subscriber.enqueue_sync(Position("e", 3), f("sync 3"), subscriber.position)

    assert (await playing(act)).sent == ["hello", "sync 3"]


async def test_answers_that_nobody_reads_are_bounded():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        for number in range(10_000):
            subscriber.enqueue(f(f"answer {number}"))

    socket = await playing(act)
    assert len(socket.sent) <= MAX_QUEUED
    assert socket.sent[-1] == "answer 9999"


async def test_the_last_frame_comes_before_the_close():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        subscriber.offer_state("e", 2, f("state 2"))
        subscriber.close(1000, "Session deleted", f("deleted"))
        subscriber.close(1012, "too late")

    socket = await playing(act)
    assert socket.sent == ["hello", "state 2", "deleted"]
    assert socket.ended == ("closed", 1000, "Session deleted")


async def test_an_answer_with_an_older_state_than_was_sent_is_not_sent():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        subscriber.offer_state("e", 6, f("state 6"))
        assert not subscriber.enqueue_sync(Position("e", 5), f("sync 5"), subscriber.position)

    assert (await playing(act)).sent == ["hello", "state 6"]


@pytest.mark.parametrize(("waiting", "follows"), [(5, []), (6, []), (7, ["state 7"])])
async def test_of_what_waits_for_the_first_frame_only_news_follow_it(waiting, follows):
    async def act(subscriber, socket):
        subscriber.offer_state("e", waiting, f(f"state {waiting}"))
        subscriber.start(f("connected 6"), Position("e", 6))

    assert (await playing(act)).sent == ["connected 6", *follows]


async def test_once_it_is_closing_nothing_takes_the_place_of_the_last_frame():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        subscriber.close(1000, "Session deleted", f("deleted"))
        subscriber.offer_state("e", 9, f("state 9"))
        subscriber.enqueue_sync(Position("e", 9), f("sync 9"), subscriber.position)

    assert (await playing(act)).sent[-1] == "deleted"


async def test_notices_come_before_the_state_they_led_to_and_not_without_it():
    async def act(subscriber, socket):
        subscriber.start(f("hello"), Position("e", 5))
        subscriber.offer_state("e", 5, f("state 5"), [f("old notice")])
        subscriber.offer_state("e", 6, f("state 6"), [f("notice")])

    assert (await playing(act)).sent == ["hello", "notice", "state 6"]


async def test_an_answer_with_a_state_survives_any_number_of_other_answers():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        subscriber.enqueue_sync(Position("e", 7), f("sync 7"), subscriber.position)
        for number in range(3 * MAX_QUEUED):
            subscriber.enqueue(f(f"pong {number}"))

    assert (await playing(act)).sent[-1] == "sync 7"


async def test_a_command_that_is_being_carried_out_is_answered_before_the_end():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        subscriber.is_busy = True
        socket.drain()
        subscriber.close(1012, "Server restarting")
        assert socket.ended is None
        subscriber.enqueue(f("ack"))
        subscriber.is_busy = False
        subscriber.flush()

    socket = await playing(act)
    assert socket.sent == ["hello", "ack"]
    assert socket.ended == ("closed", 1012, "Server restarting")


async def test_a_client_that_takes_nothing_is_let_go_and_one_that_takes_anything_is_not():
    slow, hung = SlowTransport(), SlowTransport()
    subscribers = [Subscriber(slow, ALICE), Subscriber(hung, ALICE)]
    for subscriber in subscribers:
        subscriber.start(f("hello"))
        subscriber.offer_state("e", 1, f("state 1"))
    began_s = subscribers[0].blocked_since_s
    for subscriber in subscribers:
        check(subscriber, 0, began_s + 9.9)
        subscriber.blocked_since_s = began_s - 1  # the clock moves on
    slow.room = 1
    slow.on_writable()
    for subscriber in subscribers:
        check(subscriber, 0, began_s + 9.1)
    assert hung.ended == ("force_closed", 4410, "Too slow")
    assert slow.ended is None
    assert slow.sent == ["hello"]


async def test_a_client_without_waiting_frames_is_never_slow():
    idle = SlowTransport()
    idle.room = 1
    subscriber = Subscriber(idle, ALICE)
    subscriber.start(f("hello"))
    assert subscriber.blocked_since_s is None


async def test_expired_credentials_are_told_once_and_end_after_the_grace():
    transport = SlowTransport()
    transport.room = 10
    subscriber = Subscriber(transport, Principal("alice", is_staff=False, expires_s=1_000))
    subscriber.start(f("hello"))
    for wall_s in (999.9, 1_000.4, 1_000.6):
        check(subscriber, wall_s, 0)
    (error,) = transport.sent[1:]
    assert '"CREDENTIALS_EXPIRED"' in error
    assert '"grace_ms":600' in error
    check(subscriber, 1_001, 0)
    assert transport.ended == ("closed", 4401, "Credentials expired")


async def test_presence_waits_for_nobody_and_only_the_newest_is_told():
    async def act(subscriber, socket):
        subscriber.start(f("hello"))
        for number in range(5):
            subscriber.offer_presence(f(f"presence {number}"))
        subscriber.offer_state("e", 2, f("state 2"))

    assert (await playing(act)).sent == ["hello", "state 2", "presence 4"]


async def test_an_answer_about_the_session_before_this_one_is_not_sent():
    async def act(subscriber, socket):
        subscriber.start(f("hello"), Position("old", 7))
        asked_at = subscriber.position
        subscriber.offer_state("new", 1, f("new 1"))
        assert not subscriber.enqueue_sync(Position("old", 7), f("sync old 7"), asked_at)
        assert subscriber.enqueue_sync(Position("new", 1), f("sync new 1"), asked_at)

    assert (await playing(act)).sent == ["hello", "sync new 1"]


async def test_the_end_of_the_session_before_this_one_is_not_the_end_of_this_one():
    async def act(subscriber, socket):
        subscriber.close(1000, "Session deleted", f("old deleted"), of_epoch="old")
        subscriber.start(f("connected new 1"), Position("new", 1))

    transport = await playing(act)
    assert transport.sent == ["connected new 1"]
    assert transport.ended is None


@pytest.mark.parametrize("moments", range(4))
async def test_a_hub_stops_even_when_a_client_leaves_in_that_very_moment(moments, token):
    transport = SlowTransport()
    transport.room = 10
    subscriber, session_id, here = Subscriber(transport, ALICE), uuid4(), hub()
    await here.join(session_id, subscriber)
    subscriber.start(f("hello"))
    here.welcome(session_id, subscriber)
    async with asyncio.timeout(30):
        while session_id not in here.presence._announced:  # noqa: ASYNC110 - until its arrival has been told
            await asyncio.sleep(0.01)
    leaving = asyncio.create_task(here.leave(session_id, subscriber))
    for _ in range(moments):
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await stop_hub()
    await leaving
    await redis_client.close_async_client()


def offered(subscriber: Subscriber, epoch: str, version: int) -> None:
    subscriber.offer_state(epoch, version, f(f"{epoch} {version}"))


def passed_on(subscriber: Subscriber, epoch: str, version: int) -> None:
    if not subscriber.try_send(Position(epoch, version), f(f"{epoch} {version}")):
        offered(subscriber, epoch, version)


def lived(deliver, seed: int) -> tuple[SlowTransport, Subscriber]:
    """A random life of one client, whose states are delivered one way or the other."""
    dice = random.Random(seed)
    transport = SlowTransport()
    subscriber = Subscriber(transport, ALICE)
    acts = {
        "state": lambda: deliver(subscriber, "e", dice.randrange(40)),
        "another session": lambda: deliver(subscriber, "f", dice.randrange(40)),
        "answer": lambda: subscriber.enqueue(f("answer")),
        "presence": lambda: subscriber.offer_presence(f("presence")),
        "sync": lambda: subscriber.enqueue_sync(Position("e", dice.randrange(40)), f("sync"), subscriber.position),
        "release": lambda: subscriber.start(f("hello"), Position("e", dice.randrange(40))),
        "room": transport.drain,
        "little room": lambda: setattr(transport, "room", 1),
        "none": lambda: setattr(transport, "room", 0),
        "finish": lambda: subscriber.close(1000, "over", f("last")),
        "busy": lambda: setattr(subscriber, "is_busy", dice.random() < 0.5),
    }
    subscriber.start(f("hello"), Position("e", 0))
    for act in dice.choices(list(acts), [20, 1, 3, 3, 2, 0.2, 6, 2, 2, 0.2, 2], k=80):
        acts[act]()
    subscriber.is_busy = False
    transport.drain()
    return transport, subscriber


async def test_the_short_way_shows_a_client_the_same_as_the_long_one():
    for seed in range(400):
        (short_wire, short), (long_wire, long) = lived(passed_on, seed), lived(offered, seed)
        assert short_wire.sent == long_wire.sent, seed
        assert (short.position, short_wire.ended) == (long.position, long_wire.ended), seed


async def test_the_short_way_is_taken_by_a_client_that_waits_for_nothing():
    transport = SlowTransport()
    subscriber = Subscriber(transport, ALICE)
    assert not subscriber.try_send(Position("e", 1), f("held"))
    subscriber.start(f("hello"), Position("e", 1))
    assert not subscriber.try_send(Position("e", 2), f("hello still waits"))
    transport.drain()
    assert subscriber.try_send(Position("e", 2), f("two"))
    assert not subscriber.try_send(Position("e", 2), f("again"))
    assert transport.sent == ["hello", "two"]
