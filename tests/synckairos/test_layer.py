"""The group layer's one connection: confirmed subscriptions, through cuts, and none that nobody wants."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import msgpack
import pytest
from django.conf import settings

from synckairos import keys
from synckairos import redis as stores
from synckairos.layer import SteadyLayer
from tests import servers


@pytest.fixture
async def layer():
    made = SteadyLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
    yield made
    await made.flush()
    await stores.close_async_client()


def subscribers(session_id) -> int:
    return stores.client().pubsub_numsub(keys.group_channel(session_id))[0][1]


async def publish(session_id, number) -> None:
    await stores.async_client().publish(keys.group_channel(session_id), msgpack.packb({"type": "t", "number": number}))


async def cut() -> None:
    """The server drops every subscription's connection."""
    await stores.async_client().client_kill_filter(_type="pubsub")


async def test_what_is_published_right_after_joining_arrives(layer):
    channel = await layer.new_channel()
    for number in range(50):
        session_id = uuid4()
        await layer.group_add(keys.group(session_id), channel)
        await publish(session_id, number)
        async with asyncio.timeout(2):
            assert (await layer.receive(channel))["number"] == number


async def test_after_a_cut_exactly_what_is_wanted_is_heard_again(layer):
    channel = await layer.new_channel()
    kept, left, joined = uuid4(), uuid4(), uuid4()
    for session_id in (kept, left):
        await layer.group_add(keys.group(session_id), channel)
    await cut()
    await layer.group_discard(keys.group(left), channel)
    await layer.group_add(keys.group(joined), channel)
    await asyncio.to_thread(servers.wait_until, lambda: subscribers(kept) == subscribers(joined) == 1, 3, "it is back")
    assert subscribers(left) == 0
    await publish(kept, 1)
    async with asyncio.timeout(2):
        assert (await layer.receive(channel))["number"] == 1


async def test_who_may_have_missed_something_is_told_once_it_can_hear_again(layer):
    channel, session_id, back = await layer.new_channel(), uuid4(), asyncio.Event()
    layer.on_reconnected(back.set)
    await layer.group_add(keys.group(session_id), channel)
    assert not back.is_set()
    for _ in range(2):
        await cut()
        async with asyncio.timeout(2):
            await back.wait()
        back.clear()
        await publish(session_id, 1)
        async with asyncio.timeout(2):
            assert (await layer.receive(channel))["number"] == 1


async def test_cuts_at_any_moment_leave_no_subscription_behind_and_fail_nobody(layer):
    channel = await layer.new_channel()
    sessions = [uuid4() for _ in range(20)]

    async def come_and_go(session_id) -> None:
        for _ in range(8):
            await layer.group_add(keys.group(session_id), channel)
            await asyncio.sleep(0)
            await layer.group_discard(keys.group(session_id), channel)

    visiting = asyncio.gather(*(come_and_go(session_id) for session_id in sessions))
    for _ in range(6):
        await asyncio.sleep(0.02)
        await cut()
    async with asyncio.timeout(20):
        await visiting
    await asyncio.to_thread(
        servers.wait_until, lambda: not any(subscribers(session_id) for session_id in sessions), 3, "all are left"
    )
