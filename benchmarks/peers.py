"""A running checkout of the product as its clients see it: asked over its doors only, whatever its files are like."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import making
from msgspec import Struct
from redis.asyncio import Redis
from stack import Stack

from synckairos.redis import keys

_PATIENCE_S = 60.0
_DRAINED_WITHIN_S = 120.0
_SUBJECT = "player"


class Peer(Struct, frozen=True):
    """A running checkout, as its clients see it."""

    name: str
    stack: Stack
    token: str
    host: str
    port: int

    @classmethod
    def of(cls, name: str, stack: Stack, python: str, root: Path) -> Peer:
        """Of a stack that has just come up."""
        env = {**os.environ, **stack.child_environment()}
        command = [python, "manage.py", "issue_token", _SUBJECT]
        token = subprocess.run(command, cwd=root, env=env, check=True, capture_output=True, text=True, timeout=60)
        parts = urlsplit(stack.url)
        return cls(name, stack, token.stdout.strip(), str(parts.hostname), int(parts.port or 80))

    def sessions(self, number: int) -> list[UUID]:
        """So many running sessions of two."""
        made = [uuid4() for _ in range(number)]
        with closing(HTTPConnection(self.host, self.port, timeout=_PATIENCE_S)) as connection:
            for session_id in made:
                seats = [{"participant_id": str(uuid4()), "total_time_ms": making.A_DAY_MS} for _ in range(2)]
                body = {"session_id": str(session_id), "sync_mode": "per_participant", "participants": seats}
                self._post(connection, "/v1/sessions", json.dumps(body))
                self._post(connection, f"/v1/sessions/{session_id}/start", "{}")
        return made

    def switch(self, session_id: UUID) -> None:
        """One switch, whose answer has come."""
        with closing(HTTPConnection(self.host, self.port, timeout=_PATIENCE_S)) as connection:
            self._post(connection, f"/v1/sessions/{session_id}/switch", "{}")

    def _post(self, connection: HTTPConnection, path: str, body: str) -> None:
        head = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request("POST", path, body, head)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            raise RuntimeError(told.decode())

    async def drained(self) -> None:
        """Wait until its audit has everything, so that no turn pays for the one before."""
        async with Redis(unix_socket_path=str(self.stack.socket_path)) as client, asyncio.timeout(_DRAINED_WITHIN_S):
            while any([await client.xlen(keys.outbox(shard)) for shard in keys.all_shards()]):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
