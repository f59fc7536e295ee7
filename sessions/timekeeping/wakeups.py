"""Wake-ups: the commit script publishes a new earliest deadline on the shard's channel, which ends the sleep.

A message may be lost; then the timekeeper reads the deadlines again after its longest sleep.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from synckairos import background
from synckairos.conf import conf
from synckairos.redis import keys
from synckairos.redis.client import make_pubsub_client
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

RELEASED = b"released"
"""The message of release_lease.lua; every other message is a deadline."""
_AFTER_FAULT_S = 0.5


class Wakeups:
    """A subscription to all shards' wake channels."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._is_free = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Subscribe to the channels in a task."""
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """End the subscription and its task."""
        if self._task is not None:
            await background.stop(self._task)

    def wake(self) -> None:
        """End the sleep, as a message would."""
        self._woken.set()

    def take_released(self) -> bool:
        """Return true, once, after a shard was released."""
        released, self._is_free = self._is_free, False
        return released

    async def sleep(self, seconds: float) -> None:
        """Sleep for some seconds, or until a message comes."""
        with suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with the event.
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _listen(self) -> None:
        while True:
            client = make_pubsub_client(conf().redis_url)
            subscription: Any = client.pubsub(ignore_subscribe_messages=True)
            try:
                await subscription.subscribe(*(keys.wake_channel(shard) for shard in keys.all_shards()))
                self.wake()  # messages before the subscription are lost
                async for message in subscription.listen():
                    self._is_free = self._is_free or message["data"] == RELEASED
                    self.wake()
            except (RedisError, OSError) as away:
                log.warning("not listening for wake-ups", error=type(away).__name__)
            finally:
                with suppress(RedisError, OSError):
                    await subscription.aclose()
                    await client.aclose()
            await asyncio.sleep(_AFTER_FAULT_S)
