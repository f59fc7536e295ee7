"""One attacker, a process of its own: `python benchmarks/attacking.py`, told what to do by a line of JSON.

It knows what an attacker knows: the address, perhaps a token, perhaps sessions. It sends as fast as it is answered,
from a bounded number of connections, for so many seconds, and then prints how many answers of each status it has had.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import cycle
from uuid import uuid4

import msgspec
from crowd import Crowd
from talkers import Talker

_ANSWER_WITHIN_S = 20.0
_PAUSE_S = 0.25
"""After a refusal: who is told to wait gains nothing by asking at once."""


class Told(msgspec.Struct, frozen=True):
    """What the attacker is told."""

    attack: str
    host: str
    port: int
    seconds: float
    token: str = ""
    sessions: list[str] = []


class Attacker:
    """Sends, and counts what comes back."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.ends_s = time.monotonic() + told.seconds
        self.seen: Counter[str] = Counter()

    @property
    def goes_on(self) -> bool:
        """Whether its time is not over."""
        return time.monotonic() < self.ends_s

    def head(self, line: str, **fields: str) -> bytes:
        """A request's head, with the token if there is one."""
        bearer = {"Authorization": f"Bearer {self.told.token}"} if self.told.token else {}
        known = {"Host": f"{self.told.host}:{self.told.port}", **bearer, **fields}
        return "\r\n".join([line, *[f"{name}: {value}" for name, value in known.items()], "", ""]).encode()

    def post(self, path: str, body: bytes, **fields: str) -> bytes:
        """A request with a JSON body."""
        told = {"Content-Type": "application/json", "Content-Length": str(len(body)), **fields}
        return self.head(f"POST {path} HTTP/1.1", **told) + body

    async def ask(self, requests: Callable[[], bytes], connections: int) -> None:
        """Requests on so many connections, each as soon as the one before is answered."""
        await asyncio.gather(*(self._keep_asking(requests) for _ in range(connections)))

    async def _keep_asking(self, requests: Callable[[], bytes]) -> None:
        while self.goes_on:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError, asyncio.LimitOverrunError):
                reader, writer = await asyncio.open_connection(self.told.host, self.told.port)
                try:
                    while self.goes_on:
                        writer.write(requests())
                        async with asyncio.timeout(_ANSWER_WITHIN_S):
                            status = await self._answer(reader)
                        self.seen[status] += 1
                        if status in {"429", "503"}:
                            await asyncio.sleep(_PAUSE_S)
                finally:
                    writer.close()
            self.seen["closed"] += 1

    async def _answer(self, reader: asyncio.StreamReader) -> str:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection") == "close":
            raise asyncio.IncompleteReadError(b"", None)
        return head[9:12].decode()

    async def hold(self, opening: bytes, connections: int) -> None:
        """Connections that begin something and then say nothing; opened anew when they are closed."""

        async def one() -> None:
            while self.goes_on:
                with suppress(OSError):
                    reader, writer = await asyncio.open_connection(self.told.host, self.told.port)
                    writer.write(opening)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(max(0.1, self.ends_s - time.monotonic())):
                            await reader.read()
                    writer.close()
                self.seen["closed"] += 1

        await asyncio.gather(*(one() for _ in range(connections)))

    async def say(self, frames: list[bytes], sockets: int, per_s: float) -> None:
        """Sockets of one session, each sending frames at a rate."""
        crowd = Crowd(f"http://{self.told.host}:{self.told.port}", Talker)
        with suppress(TimeoutError, OSError):
            await crowd.open([(self.told.sessions[0], self.told.token)] * sockets)
        turns = cycle(frames)
        while self.goes_on and crowd.members:
            for member in crowd.members:
                if isinstance(member, Talker) and not member.transport.is_closing():
                    member.say(next(turns))
            await asyncio.sleep(1 / per_s)
        self.seen["frames"] = crowd.frames
        crowd.leave()


async def _long_handshakes(attacker: Attacker) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Cookie": "x" * 8_192}
    await attacker.hold(attacker.head(f"GET /ws?sessionId={uuid4()} HTTP/1.1", **upgrade, **key), 400)


async def _half_heads(attacker: Attacker) -> None:
    await attacker.hold(b"GET /v1/time HTTP/1.1\r\nHost: x\r\nX-Slow: ", 400)


async def _strange_ids(attacker: Attacker) -> None:
    await attacker.ask(lambda: attacker.head(f"GET /v1/sessions/{uuid4().hex * 400} HTTP/1.1"), 8)


async def _strange_tokens(attacker: Attacker) -> None:
    def request() -> bytes:
        token = f"eyJhbGciOiJFZERTQSIsImtpZCI6Ij8ifQ.{uuid4().hex * 240}.x"
        return attacker.head("GET /v1/sessions/none HTTP/1.1", Authorization=f"Bearer {token}")

    await attacker.ask(request, 8)


async def _long_logins(attacker: Attacker) -> None:
    await attacker.ask(
        lambda: attacker.post("/v1/token", b'{"username":"%s","password":"x"}' % (uuid4().hex.encode() * 7_000)), 4
    )


async def _documents(attacker: Attacker) -> None:
    paths = cycle(("/api-docs.json", "/asyncapi.json", "/api-docs"))
    await attacker.ask(lambda: attacker.head(f"GET {next(paths)} HTTP/1.1"), 4)


async def _empty_participants(attacker: Attacker) -> None:
    body = b'{"sync_mode":"global","participants":[%s]}' % b",".join([b"{}"] * 80_000)
    await attacker.ask(lambda: attacker.post("/v1/sessions", body), 4)


async def _long_batches(attacker: Attacker) -> None:
    body = b'{"session_ids":[%s]}' % b",".join([b"0"] * 80_000)
    await attacker.ask(lambda: attacker.post("/v1/sessions/batch", body), 4)


async def _dear_bodies(attacker: Attacker) -> None:
    """Of 240 KB and less, each of which becomes many objects, takes long to read, or comes back in the answer."""
    signs = {b"{}": 2, b"[0]": 2, b'"ab"': 1, b'{"a":1}': 2, b"1e308": 1, b'":"': 1, b"1.5": 1}
    within = [
        b'{"metadata":{"a":[%s]}}' % b",".join([piece] * (number // each))
        for piece, each in signs.items()
        for number in (16_000, 28_000)
    ]
    strange = [b'{"sync_mode":"%s"}' % (b"x" * 240_000), b'{"%s":0}' % (b"x" * 240_000), b"[" * 240_000]
    bodies = cycle([*within, *strange])
    await attacker.ask(lambda: attacker.post("/v1/sessions", next(bodies)), 4)


async def _reconnects(attacker: Attacker) -> None:
    await attacker.say([b'{"type":"RECONNECT"}'], sockets=12, per_s=40)


async def _credentials(attacker: Attacker) -> None:
    """Frames of at most 125 bytes: what is no token is refused by its form."""
    await attacker.say([b'{"type":"AUTH","token":"eyJhbGciOiJFZERTQSJ9.%d.x"}' % n for n in range(50)], 12, per_s=40)


async def _large_batches(attacker: Attacker) -> None:
    body = json.dumps({"session_ids": attacker.told.sessions[:40]}).encode()
    await attacker.ask(lambda: attacker.post("/v1/sessions/batch", body), 4)


async def _kept_answers(attacker: Attacker) -> None:
    ids = cycle(attacker.told.sessions)
    await attacker.ask(
        lambda: attacker.post(f"/v1/sessions/{next(ids)}/switch", b"{}", **{"Idempotency-Key": uuid4().hex}), 4
    )


async def _nothing(attacker: Attacker) -> None:
    """What was made before the attack runs by itself."""
    await asyncio.sleep(attacker.told.seconds)


ATTACKS: dict[str, Callable[[Attacker], Awaitable[None]]] = {
    "long_handshakes": _long_handshakes,
    "half_heads": _half_heads,
    "strange_ids": _strange_ids,
    "strange_tokens": _strange_tokens,
    "long_logins": _long_logins,
    "documents": _documents,
    "empty_participants": _empty_participants,
    "long_batches": _long_batches,
    "dear_bodies": _dear_bodies,
    "reconnects": _reconnects,
    "credentials": _credentials,
    "large_batches": _large_batches,
    "kept_answers": _kept_answers,
    "self_running": _nothing,
}


async def main() -> None:
    """Read which attack to make from standard input, make it, and print what was seen as one JSON object."""
    told = msgspec.json.decode(sys.stdin.buffer.readline(), type=Told)
    attacker = Attacker(told)
    await ATTACKS[told.attack](attacker)
    print(json.dumps(attacker.seen))


if __name__ == "__main__":
    asyncio.run(main())
