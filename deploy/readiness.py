"""Checks that the servers of a stack answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

_PATIENCE_S = 5.0
_PAUSE_S = 0.02


async def store_answers(socket_path: Path) -> None:
    """Return when the embedded store serves."""
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(socket_path)
            writer.write(b"PING\r\n")
            answer = await asyncio.wait_for(reader.readline(), _PATIENCE_S)
            writer.close()
        except (OSError, TimeoutError):
            answer = b""
        if answer.startswith(b"+PONG"):
            return
        await asyncio.sleep(_PAUSE_S)


async def web_answers(host: str, port: int, named: str) -> tuple[bool, str]:
    """Return true if `/ready` answers 200, with its body. `named` is the Host header."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET /ready HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
    except (OSError, TimeoutError) as error:
        return False, str(error) or "no answer"
    return head.split(b" ", 2)[1:2] == [b"200"], body.decode(errors="replace")
