"""A TCP proxy that treats connections as a bad network does, until told to be calm.

Each connection goes to one of several servers by chance, so that one client's connections are served in any order. The
fate of each comes from the seed and its number: to the same connections, the same things happen.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Weather:
    """How bad it is, in seconds."""

    delay_s: tuple[float, float] = (0.05, 0.5)
    """Of each direction, between these."""
    delay_changes_s: float = 1.0
    trouble_every_s: float = 8.0
    """Mean time to the next cut or stall of one connection."""
    stall_s: tuple[float, float] = (0.5, 3.0)
    refusal_every_s: tuple[float, float] = (3.0, 8.0)
    refusal_s: tuple[float, float] = (0.1, 0.8)


class Network:
    """What is between the clients and the servers."""

    def __init__(self, ports: list[int], seed: int, weather: Weather) -> None:
        self.ports = ports
        self.seed = seed
        self.weather = weather
        self.is_calm = True
        self.counts: Counter[str] = Counter()
        self.links: set[Link] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._refuses_until_s = 0.0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.get_running_loop().create_server(self._accept, "127.0.0.1", 0, backlog=1024)

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for link in list(self.links):
            link.cut(is_reset=True)
        await self._is_empty.wait()

    async def storm(self, for_s: float) -> None:
        """Be bad for so long; then everything that is held up goes on at once, and nothing happens any more."""
        loop, rng = asyncio.get_running_loop(), random.Random(f"{self.seed} refusals")
        ends_s, self.is_calm = loop.time() + for_s, False
        for link in list(self.links):
            link.expect_trouble()
        while loop.time() < ends_s:
            await asyncio.sleep(min(rng.uniform(*self.weather.refusal_every_s), max(ends_s - loop.time(), 0)))
            self._refuses_until_s = loop.time() + rng.uniform(*self.weather.refusal_s)
        self.is_calm, self._refuses_until_s = True, 0.0
        for link in list(self.links):
            link.calm()

    def joined(self, link: Link) -> None:
        """There is one more."""
        self.links.add(link)
        self._is_empty.clear()

    def gone(self, link: Link) -> None:
        """Nothing is left of it."""
        self.links.discard(link)
        if not self.links:
            self._is_empty.set()

    def _accept(self) -> End:
        self.counts["opened"] += 1
        is_refused = asyncio.get_running_loop().time() < self._refuses_until_s
        self.counts["refused"] += is_refused
        return Link(self, self.counts["opened"], is_refused=is_refused).client


class Link:
    """One connection of a client, and its continuation to a server."""

    def __init__(self, network: Network, number: int, *, is_refused: bool) -> None:
        self.network = network
        self.client, self.server = End(self), End(self)
        self.rng = random.Random(f"{network.seed} {number}")
        self._port = self.rng.choice(network.ports)
        self._is_refused = is_refused
        self._is_cut_with_next = False
        self._trouble: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[object] | None = None
        network.joined(self)

    def other(self, end: End) -> End:
        """The end that gets what this one sends."""
        return self.client if end is self.server else self.server

    def opened(self, end: End) -> None:
        """An end is there."""
        if self._is_refused or (end is self.server and not self.client.is_there):
            self.cut(is_reset=True)
        elif end is self.client:
            self._connecting = asyncio.create_task(self._connect())
            self.expect_trouble()
        else:
            end.release()

    def carry(self, end: End, data: bytes) -> None:
        """Pass on what an end has sent, in its time."""
        if self._is_cut_with_next:
            self.network.counts["cut in a frame"] += 1
            self.other(end).write(data[: self.rng.randrange(len(data))])
            self.cut(is_reset=self.rng.random() < 0.5)
        else:
            self.other(end).take(data)

    def expect_trouble(self) -> None:
        """Something will happen, unless it is calm by then."""
        if not self.network.is_calm and self._trouble is None:
            in_s = self.rng.expovariate(1 / self.network.weather.trouble_every_s)
            self._trouble = asyncio.get_running_loop().call_later(in_s, self._happen)

    def calm(self) -> None:
        """Everything passes from now on, and at once."""
        self._is_cut_with_next = False
        if self._trouble is not None:
            self._trouble.cancel()
            self._trouble = None
        for end in (self.client, self.server):
            end.release()

    def cut(self, *, is_reset: bool) -> None:
        """Both ends break, with what is on its way."""
        for end in (self.client, self.server):
            end.cut(is_reset=is_reset)

    def ended(self, end: End) -> None:
        """An end has gone; the other one gets what is on its way, and the end."""
        if self._trouble is not None:
            self._trouble.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        if self.other(end).is_there:
            self.other(end).finish()
        else:
            self.network.gone(self)

    def _happen(self) -> None:
        self._trouble = None
        counts, kind = (
            self.network.counts,
            self.rng.choice(("reset", "end", "frame", "stall", "stall", "stall and cut")),
        )
        if kind == "frame":
            self._is_cut_with_next = True
        elif kind.startswith("stall"):
            counts["stalled"] += 1
            stall_s = self.rng.uniform(*self.network.weather.stall_s)
            for end in (self.client, self.server):
                end.stall(stall_s)
            if kind == "stall":
                self.expect_trouble()
            else:
                self._trouble = asyncio.get_running_loop().call_later(stall_s, self._cut_by_chance)
        else:
            counts[f"cut by {kind}"] += 1
            self.cut(is_reset=kind == "reset")

    def _cut_by_chance(self) -> None:
        self.network.counts["cut after a stall"] += 1
        self.cut(is_reset=self.rng.random() < 0.5)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, "127.0.0.1", self._port)
        except OSError:
            self.cut(is_reset=True)


class End(asyncio.Protocol):
    """One end of a link: what is to be written to it waits here for its time."""

    def __init__(self, link: Link) -> None:
        self.is_there = False
        self._link = link
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._delay_s = 0.0
        self._delay_ends_s = 0.0
        self._not_before_s = 0.0
        self._is_finishing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_there = True
        self._link.opened(self)

    def data_received(self, data: bytes) -> None:
        self._link.carry(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_there = False
        self._drop()
        self._link.ended(self)

    def write(self, data: bytes) -> None:
        """Now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def take(self, data: bytes) -> None:
        """Write it when it has been on its way for long enough."""
        now_s, due_s = asyncio.get_running_loop().time(), 0.0
        if not self._link.network.is_calm:
            if now_s >= self._delay_ends_s:
                self._delay_s = self._link.rng.uniform(*self._link.network.weather.delay_s)
                self._delay_ends_s = now_s + self._link.network.weather.delay_changes_s
            due_s = max(now_s + self._delay_s, self._not_before_s)
        self._waiting.append((due_s, data))
        if self._timer is None:
            self._go_on()

    def stall(self, for_s: float) -> None:
        """Nothing arrives for so long."""
        self._not_before_s = asyncio.get_running_loop().time() + for_s

    def release(self) -> None:
        """Go on; when it is calm, with everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._go_on()

    def finish(self) -> None:
        """The end, after what is on its way."""
        self._is_finishing = True
        self.release()

    def cut(self, *, is_reset: bool) -> None:
        """The end, now."""
        self._drop()
        if self._transport is None or self._transport.is_closing():
            return
        if is_reset:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
        else:
            self._transport.close()

    def _go_on(self) -> None:
        self._timer = None
        if self._transport is None:
            return  # not connected yet
        loop = asyncio.get_running_loop()
        while self._waiting:
            due_s = max(self._waiting[0][0], self._not_before_s)
            if not self._link.network.is_calm and due_s > loop.time():
                self._timer = loop.call_at(due_s, self._go_on)
                return
            self.write(self._waiting.popleft()[1])
        if self._is_finishing:
            self._transport.close()

    def _drop(self) -> None:
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@asynccontextmanager
async def network_to(ports: list[int], seed: int, weather: Weather) -> AsyncIterator[Network]:
    """A network in front of these local ports; calm at first."""
    network = Network(ports, seed, weather)
    await network.start()
    try:
        yield network
    finally:
        await network.stop()
