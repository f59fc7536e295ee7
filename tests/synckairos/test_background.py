"""Tasks in the background end when they are told to, whatever their libraries make of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from synckairos import background


def deaf(times: int) -> asyncio.Task[None]:
    """A task that goes round for ever, and does not hear that it is cancelled the first so many times, as with
    `asyncio.wait_for` before Python 3.12."""

    async def work() -> None:
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    return asyncio.create_task(work())


async def test_a_task_that_misses_a_cancellation_is_asked_again(monkeypatch):
    monkeypatch.setattr(background, "_CANCEL_INTERVAL_S", 0.01)
    tasks = [deaf(times) for times in (0, 1, 2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await background.stop(*tasks)
    assert all(task.cancelled() for task in tasks)


async def test_nobody_waits_longer_than_he_would_for_a_task_that_does_not_end(monkeypatch):
    monkeypatch.setattr(background, "_CANCEL_INTERVAL_S", 0.01)
    task = deaf(20)
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await background.stop(task, within_s=0.05)
    assert not task.done()
    await background.stop(task)


async def test_what_has_ended_is_not_waited_for():
    async def fail() -> None:
        raise ValueError

    async def done() -> None: ...

    tasks = [asyncio.create_task(fail()), asyncio.create_task(done())]
    await asyncio.wait(tasks)
    await background.stop(*tasks)
    await background.stop()
    assert tasks[0].exception() is not None
