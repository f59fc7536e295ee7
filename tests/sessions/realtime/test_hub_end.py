"""How a hub ends."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from sessions.hub.hub import hub, stop_hub
from sessions.hub.outlet import Outlet
from synckairos.principal import Principal
from tests.wires import DirectWire


async def test_no_task_of_a_hub_outlives_it():
    """The runner at the end of the process cancels only once what is left, and waits for it without end."""
    before = asyncio.all_tasks()
    await hub().join(uuid4(), Outlet(DirectWire(), Principal("alice", is_staff=False, expires_s=2**40)))
    assert asyncio.all_tasks() > before
    async with asyncio.timeout(5):
        await stop_hub()
    assert asyncio.all_tasks() == before
