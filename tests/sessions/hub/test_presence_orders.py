"""In which order processes come, speak, are heard of and go: no screen is shown a list that was never true."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from sessions.hub.hub import Hub
from sessions.hub.position import NOWHERE
from sessions.hub.presence_tracker import PresenceTracker
from sessions.hub.subscriber import Subscriber
from sessions.hub.topics import Topics
from sessions.services import presence_queries
from sessions.store.presence_records import ClientCounts, write_client_counts
from synckairos.auth.principal import SYSTEM, Principal
from synckairos.ops.alive_processes import list_alive, report_alive
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import send, send_blocking
from tests.transports import FakeTransport

ADA, GRACE = sorted(str(uuid4()) for _ in range(2))
SESSION = uuid4()


class Process:
    """What one web process does for presence, each step when the test says so."""

    def __init__(self):
        self.topics = Topics()
        self.presence = PresenceTracker(self.topics)
        self.now_s = asyncio.get_running_loop().time()

    def comes(self, *participants):
        """A client that is these; gives its subscriber."""
        subscriber = Subscriber(FakeTransport(), Principal(str(uuid4()), is_staff=False, expires_s=2**40))
        topic = self.topics.add(SESSION, subscriber)
        topic.is_subscribed = True
        subscriber.participants = tuple(map(UUID, participants))
        subscriber.start(None, NOWHERE)
        self.presence.mark_changed(SESSION)
        return subscriber

    def goes(self, subscriber):
        subscriber.detach()
        topic = self.topics.remove(SESSION, subscriber)
        self.presence.mark_changed(SESSION)
        self.topics.remove_if_empty(topic)

    async def works(self, *, is_hinted=False):
        if is_hinted:
            self.presence.on_hint(SESSION)
        await self.presence._process_pending()

    async def looks(self):
        await self.presence._update_liveness()


def shown(subscriber):
    """The lists that a client was sent, one after the other."""
    return [frame["connected"] for frame in subscriber._transport.sent if frame["type"] == "PRESENCE"]


@pytest.fixture
async def one():
    return Process()


@pytest.fixture
async def two():
    return Process()


async def test_who_is_announced_by_a_process_that_was_never_heard_of_is_there(one, two):
    await two.looks()
    one.comes(ADA)
    await one.works()
    grace = two.comes(GRACE)
    await two.works()
    assert shown(grace) == [[ADA, GRACE]]


async def test_a_process_tells_that_it_is_alive_before_it_tells_who_is_there(one, two):
    hall = two.comes()
    await two.works()
    one.comes(ADA)
    await one.works()  # it has not looked yet
    await two.works(is_hinted=True)
    assert shown(hall) == [[ADA]]


async def test_who_comes_here_is_not_shown_beside_a_list_that_is_old_news(one, two):
    hall = two.comes()
    await two.works()
    one.comes(ADA)
    await one.works()
    two.comes(GRACE)
    await two.works()  # and has not heard of Ada yet
    assert shown(hall) == [[ADA, GRACE]]


async def test_who_left_while_nobody_here_listened_is_not_shown_to_who_comes_back(one, two):
    ada = one.comes(ADA)
    await one.looks()
    await one.works()
    hall = two.comes()
    await two.looks()
    await two.works()
    two.goes(hall)
    one.goes(ada)
    await one.works()
    two.presence.on_hint(SESSION)  # nobody is here for it
    again = two.comes()
    await two.works()
    assert shown(again) == []


async def test_what_was_read_before_the_room_listens_does_not_count(one, two):
    one.comes(ADA)
    await one.works()
    hall = two.comes()
    two.topics.get(SESSION).is_subscribed = False
    await two.works(is_hinted=True)
    assert shown(hall) == []
    assert two.topics.get(SESSION).counts is None


async def test_ada_is_shown_beside_grace_while_the_store_forgets_who_is_alive_again_and_again(one, two):
    """The order of a red run: the store was emptied between all looks, then once more after Ada was shown."""
    ada, hall = one.comes(ADA), two.comes()
    await one.looks()
    await two.looks()
    await one.works()
    await two.works()
    for second in range(1, 6):
        redis_client.blocking_client().delete(keys.web_processes())
        two.presence._apply_liveness({}, two.now_s + second)
    assert shown(hall) == [[ADA]]
    grace = two.comes(GRACE)
    two.presence._apply_liveness({two.presence._process: 1_000}, two.now_s + 6)
    await two.works()
    assert (shown(hall), shown(grace)) == ([[ADA], [ADA, GRACE]], [[ADA, GRACE]])
    await one.works(is_hinted=True)
    assert shown(ada) == [[ADA], [ADA, GRACE]]


async def test_what_a_process_has_told_that_is_back_again_is_not_cleared_away(one, two):
    hall = two.comes()
    ada = one.comes(ADA)
    await one.works()
    await two.works()
    for second in range(1, 13):
        two.presence._apply_liveness(
            {two.presence._process: 0, one.presence._process: 1_000 * second}, two.now_s + second
        )
    assert one.presence._process in two.presence._liveness.dead
    await one.looks()
    two.presence._liveness._updated_at_s = asyncio.get_running_loop().time()
    await two.works(is_hinted=True)
    assert redis_client.blocking_client().hexists(keys.presence(SESSION), one.presence._process)
    assert (shown(hall), shown(ada)) == ([[ADA]], [[ADA]])


async def test_all_is_read_again_when_the_layer_has_been_away(one):
    hall = one.comes()
    await one.works()
    one.presence.reread_all()
    send_blocking(report_alive(keys.web_processes(), "other"))
    send_blocking(write_client_counts(SESSION, "other", ClientCounts(0, {ADA: 1}), is_news=False))
    await one.works()
    assert shown(hall) == [[ADA]]


async def test_a_layer_that_is_back_has_the_hub_read_again(monkeypatch):
    hub, read = Hub(), asyncio.Event()
    monkeypatch.setattr(hub.presence, "reread_all", read.set)
    checks = asyncio.create_task(hub._reconcile())
    hub._may_have_missed.set()
    async with asyncio.timeout(60):
        await read.wait()
    checks.cancel()


async def test_a_process_that_the_store_has_forgotten_tells_again_who_is_there(one):
    one.comes(ADA)
    await one.looks()
    await one.works()
    redis_client.blocking_client().flushall()
    await one.looks()
    await one.works()
    assert redis_client.blocking_client().hexists(keys.presence(SESSION), one.presence._process)


async def test_who_could_not_take_back_what_it_told_is_left_to_be_found_dead(one, monkeypatch):
    one.comes(ADA)
    await one.works()

    async def refused(calls):
        return [ValueError() for _ in calls]

    monkeypatch.setattr("sessions.hub.presence_tracker.send_all", refused)
    await one.presence.leave()
    assert one.presence._process in send_blocking(list_alive(keys.web_processes(), 60_000))


async def test_who_is_read_over_rest_while_others_come_was_there_alone(one, two, monkeypatch):
    async def both_come():
        one.comes(ADA)
        await one.works()
        two.comes(GRACE)
        await two.works()

    def known(*_):
        yield from ()

    monkeypatch.setattr("sessions.services.sessions.get", known)
    await two.looks()
    procedure = presence_queries.get(SESSION, SYSTEM)
    asked = next(procedure)
    first = await send(asked)
    await both_come()
    with pytest.raises(StopIteration) as end:
        procedure.send(await send(procedure.send(first)))
    assert end.value.value.connected == ()  # as it was before either came; Grace was never there without Ada
