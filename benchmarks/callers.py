"""Load over HTTP/1.1: connections that ask again as soon as they are answered, or at given instants.

Requests are encoded beforehand and answers looked at no more than needed: an ordinary client would be the slowest part.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

_LENGTH = b"content-length:"
_OK = (b"200", b"201")


@dataclass
class Round:
    """What came of one round."""

    took_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    """The beginning of every answer that was no success."""

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.latencies_ms) / self.took_s


class Caller(asyncio.Protocol):
    """One connection of a client, with one request on its way at a time."""

    def __init__(self, requests: Iterator[bytes], told: Round) -> None:
        self.requests = requests
        self.told = told
        self.is_over = False
        self.on_answer: Callable[[Caller], None] = Caller.ask
        self.idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._rest = b""
        self._asked_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, since_s: float | None = None) -> None:
        """The next request; its latency counts from an instant of `perf_counter`, or from now."""
        if self.is_over:
            self.idle.set_result(None)
            return
        self._asked_s = time.perf_counter() if since_s is None else since_s
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if not _is_whole(data):
            self._rest = data
            return
        self._rest = b""
        if data[9:12] in _OK:
            self.told.latencies_ms.append((time.perf_counter() - self._asked_s) * 1000)
        else:
            self.told.refused.append(data[:400])
        self.on_answer(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.idle.done():
            self.told.refused.append(b"connection lost")
            self.idle.set_result(None)


def _is_whole(data: bytes) -> bool:
    body = data.find(b"\r\n\r\n")
    if body < 0:
        return False
    head = data[:body].lower()
    at = head.find(_LENGTH)
    length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return len(data) >= body + 4 + length


async def _connected(host: str, port: int, all_requests: list[Iterator[bytes]], told: Round) -> list[Caller]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda r=r: Caller(r, told), host, port) for r in all_requests]  # type: ignore[misc]
    return [caller for _, caller in made]


async def ask_for(host: str, port: int, requests: list[Iterator[bytes]], seconds: float) -> Round:
    """As many requests as will be answered, one at a time on each connection, for so long."""
    told = Round()
    callers = await _connected(host, port, requests, told)
    began_s = time.perf_counter()
    for caller in callers:
        caller.ask()
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.is_over = True
    await asyncio.wait_for(asyncio.gather(*(caller.idle for caller in callers)), 30)
    told.took_s = time.perf_counter() - began_s
    for caller in callers:
        caller.transport.close()
    return told


async def ask_at(host: str, port: int, requests: list[Iterator[bytes]], per_s: float, seconds: float) -> Round:
    """So many requests a second, whether or not the ones before are answered. Latency counts from when each was due."""
    told = Round()
    free: asyncio.Queue[Caller] = asyncio.Queue()
    callers = await _connected(host, port, requests, told)
    for caller in callers:
        caller.on_answer = free.put_nowait
        free.put_nowait(caller)
    began_s = time.perf_counter()
    for number in range(int(per_s * seconds)):
        due_s = began_s + number / per_s
        if (early_s := due_s - time.perf_counter()) > 0:
            await asyncio.sleep(early_s)
        (await free.get()).ask(due_s)
    for _ in callers:
        caller = await asyncio.wait_for(free.get(), 30)
        caller.idle.set_result(None)
        caller.transport.close()
    told.took_s = time.perf_counter() - began_s
    return told
