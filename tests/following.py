"""Clients that come back whenever they are sent away, and tell which states they have missed."""

from __future__ import annotations

import asyncio
import json

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode


class Follower:
    """A client that comes back as it is told, and keeps which versions it has heard the events of."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[int] = []
        self.last = 0
        self.epoch: str | None = None
        self.times_sent_away = 0

    async def follow(self) -> None:
        """For ever."""
        while True:
            async with connect(self.address) as connection:
                try:
                    await self._stay(connection)
                except ConnectionClosed:
                    code, reason = connection.close_code, connection.close_reason or ""
            assert code == CloseCode.SERVICE_RESTART, (code, reason)
            self.times_sent_away += 1
            await asyncio.sleep(int(reason.partition("retry_ms=")[2]) / 10_000)

    async def _stay(self, connection: ClientConnection) -> None:
        first = json.loads(await connection.recv())
        if self.epoch is None:
            self.last, self.epoch = first["version"], first["epoch"]
        elif first["version"] > self.last:
            ask = {"type": "RECONNECT", "last_version": self.last, "epoch": self.epoch}
            await connection.send(json.dumps(ask))
        async for text in connection:
            frame = json.loads(text)
            assert frame["version"] >= self.last
            self.heard += [event["version"] for event in frame.get("events", []) + frame.get("missed", [])]
            self.last = frame["version"]

    def check(self, version: int) -> None:
        """It has heard of every version up to this one. A state that overtakes the answer to RECONNECT has its events
        in both."""
        assert sorted(set(self.heard)) == list(range(min(self.heard), version + 1))
