"""Background tasks end when they are cancelled, even if a library swallows a cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from synckairos import background


def ignoring_cancellations(times: int) -> asyncio.Task[None]:
    """Return an endless task that ignores so many cancellations, as `asyncio.wait_for` may before Python 3.12."""

    async def work() -> None:
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    return asyncio.create_task(work())


async def test_a_swallowed_cancellation_is_repeated(monkeypatch):
    monkeypatch.setattr(background, "_CANCEL_INTERVAL_S", 0.01)
    tasks = [ignoring_cancellations(times) for times in (0, 1, 2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await background.stop(*tasks)
    assert all(task.cancelled() for task in tasks)


async def test_stop_waits_no_longer_than_its_limit(monkeypatch):
    monkeypatch.setattr(background, "_CANCEL_INTERVAL_S", 0.01)
    task = ignoring_cancellations(20)
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await background.stop(task, within_s=0.05)
    assert not task.done()
    await background.stop(task)


async def test_stop_ignores_tasks_that_have_ended():
    async def fail() -> None:
        raise ValueError

    async def done() -> None: ...

    tasks = [asyncio.create_task(fail()), asyncio.create_task(done())]
    await asyncio.wait(tasks)
    await background.stop(*tasks)
    await background.stop()
    assert tasks[0].exception() is not None
