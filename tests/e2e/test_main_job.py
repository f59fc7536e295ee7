"""The main job on real input: two processes, one store, clients on each; a switch sent to one reaches all of them."""

from __future__ import annotations

import asyncio
import statistics
import time

from synckairos_client import Api, connect

VIEWERS_EACH = 10
SWITCHES = 60


async def test_a_switch_reaches_every_client_of_both_processes(webs, token, game, capsys):
    latencies: list[float] = []
    sent_at: dict[int, float] = {}

    async def view(url: str) -> None:
        async with connect(url, session_id, token) as screen:
            ready.release()
            async for update in screen.updates():
                now_s = time.perf_counter()
                latencies.extend((now_s - sent_at[event["version"]]) * 1000 for event in update.events)
                if screen.version == 2 + SWITCHES:
                    return

    ready = asyncio.Semaphore(0)
    async with Api(webs[0].url, token) as api:
        session_id = (await api.create(game))["session_id"]
        await api.start(session_id)
        views = [asyncio.create_task(view(web.url)) for web in webs for _ in range(VIEWERS_EACH)]
        for _ in views:
            await ready.acquire()
        for version in range(3, 3 + SWITCHES):
            sent_at[version] = time.perf_counter()
            assert (await api.switch(session_id))["version"] == version
        await asyncio.wait_for(asyncio.gather(*views), 30)
    p50, p95 = statistics.median(latencies), statistics.quantiles(latencies, n=20)[-1]
    with capsys.disabled():
        print(f"\nswitch to frame, {len(views)} clients on two processes: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    assert len(latencies) == len(views) * SWITCHES  # a slow screen may skip states, but is told every event
