"""Hearing of a deadline that is earlier than the one slept for: the commit script says so on the shard's channel.

A message may be lost; then the timekeeper looks again after its longest sleep.
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
"""What release_lease.lua says; every other message is a deadline."""
_AFTER_FAULT_S = 0.5


class Wakeups:
    """A subscription to all shards' wake channels."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._is_free = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            await background.stop(self._task)

    def wake(self) -> None:
        """End the sleep, as a message would."""
        self._woken.set()

    def told_of_a_lease(self) -> bool:
        """Whether a shard was given back since the last time this was asked."""
        told, self._is_free = self._is_free, False
        return told

    async def sleep(self, seconds: float) -> None:
        """Sleep until the time is over or something wakes us."""
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
                self.wake()  # something may have been said while nobody listened
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
