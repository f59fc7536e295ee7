"""How a hub ends."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from sessions.hub.hub import hub, stop_hub
from sessions.hub.subscriber import Subscriber
from synckairos.auth.principal import Principal
from synckairos.errors import ServiceUnavailable
from synckairos.redis.client import close_async_client
from tests.transports import FakeTransport

ALICE = Principal("alice", is_staff=False, expires_s=2**40)


async def test_no_task_of_a_hub_outlives_it():
    """The runner at the end of the process cancels only once what is left, and waits for it without end."""
    before = asyncio.all_tasks()
    await hub().join(uuid4(), Subscriber(FakeTransport(), ALICE))
    assert asyncio.all_tasks() > before
    async with asyncio.timeout(30):
        await stop_hub()
    await close_async_client()
    assert asyncio.all_tasks() == before


async def test_a_client_that_joins_while_the_hub_ends_is_closed_and_starts_no_task():
    before, ending = asyncio.all_tasks(), hub()
    joining = [asyncio.create_task(ending.join(uuid4(), Subscriber(FakeTransport(), ALICE))) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await stop_hub()
        results = await asyncio.gather(*joining, return_exceptions=True)
    assert [type(result) for result in results] == [ServiceUnavailable] * 3
    assert not ending.topics.subscribers()
    await close_async_client()
    assert asyncio.all_tasks() == before
