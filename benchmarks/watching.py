"""The process of viewers (viewers.py), as those who measure see it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from crowd import Crowd

_SCRIPT = Path(__file__).with_name("viewers.py")
_LONGEST_LINE = 1 << 28
_TOGETHER = 32


class Watchers:
    """Sockets that only look."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.opened_s = 0.0
        """How long it took to open them."""

    @property
    def pid(self) -> int:
        """Return the id of the process that has the sockets."""
        return self._process.pid

    async def open(self, host: str, port: int, addresses: list[tuple[str, str]]) -> None:
        """A socket for each (session id, token)."""
        crowd = Crowd(f"http://{host}:{port}")
        requests = [(session_id, crowd.request(session_id, token).decode()) for session_id, token in addresses]
        told = {"host": host, "port": port, "requests": requests, "together": _TOGETHER}
        self.opened_s = (await self._ask(told))["took_s"]

    async def reached(self, version: int, groups: int = 1) -> asyncio.Future[dict[str, int]]:
        """The answer to come when so many sessions have a version everywhere: when, and how many were lost."""
        await self._send({"version": version, "groups": groups})
        return asyncio.ensure_future(self._answer())

    async def report(self) -> dict[str, Any]:
        """All that was seen."""
        return await self._ask({"report": True})

    async def _ask(self, told: dict[str, Any]) -> dict[str, Any]:
        await self._send(told)
        return await self._answer()

    async def _send(self, told: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        await self._process.stdin.drain()

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the viewers have died; their message is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def watching(host: str, port: int, addresses: list[tuple[str, str]]) -> AsyncIterator[Watchers]:
    """So many sockets, each with its first frame; gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LONGEST_LINE
    )
    try:
        watchers = Watchers(process)
        await watchers.open(host, port, addresses)
        yield watchers
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
