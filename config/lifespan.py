"""The ASGI lifespan. At its end the server has closed all sockets (1012), and our connections are closed."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

from sessions.hub.hub import stop_hub
from synckairos.auth.identity_provider import key_fetcher
from synckairos.conf import conf
from synckairos.redis.client import close_async_client
from synckairos.redis.procedures import set_server_loop
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

_PROVIDER_WITHIN_S = 3.0
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
_SWITCH_INTERVAL_S = 0.0005
"""The longest time for which a thread that computes holds up the event loop; Python has 5 ms for each of them."""


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Handle the lifespan events of one process."""
    probe: asyncio.Task[None] | None = None
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            probe = asyncio.create_task(store_clock.probe_async())  # a store that hangs must not hold up the start
            set_server_loop(asyncio.get_running_loop())
            await _prefetch_provider_keys()
            _freeze_garbage_collector()
            sys.setswitchinterval(_SWITCH_INTERVAL_S)
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            set_server_loop(None)
            if probe is not None:
                probe.cancel()
            try:
                await stop_hub()
            finally:
                await close_async_client()
            log.info("stopped")
            await send({"type": "lifespan.shutdown.complete"})
            return


def _freeze_garbage_collector() -> None:
    """Exempt all present objects from garbage collection, which would look at them again with every few hundred new
    ones."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


async def _prefetch_provider_keys() -> None:
    """Fetch the keys of the identity provider before the first request, within a time limit."""
    provider = conf().provider
    if provider is None:
        return
    fetcher = key_fetcher(provider)
    fetcher.start()
    await asyncio.to_thread(fetcher.wait_for_first_fetch, _PROVIDER_WITHIN_S)
