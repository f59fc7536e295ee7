"""HTTP spoken by hand, for what no client library would send."""

from __future__ import annotations

import json
import select
import socket
from pathlib import Path
from typing import Any

from tests.servers import Web, wait_until

PATIENCE_S = 60.0


def until_read(connection: socket.socket) -> None:
    """Wait until the other end, on this machine, has read all that was sent."""
    wait_until(lambda: not _unread(connection), PATIENCE_S, "the server has read everything")


def _unread(connection: socket.socket) -> int:
    """Bytes that wait in either end, as Linux tells."""
    ports = (connection.getsockname()[1], connection.getpeername()[1])
    waiting = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        ends = tuple(int(end.rpartition(":")[2], 16) for end in (local, remote))
        sent, received = (int(part, 16) for part in queues.split(":"))
        waiting += sent if ends == ports else received if ends == ports[::-1] else 0
    return waiting


class Raw:
    """One connection."""

    def __init__(self, web: Web) -> None:
        self.socket = socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes | str) -> Raw:
        """Send this, as it is."""
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def get(self, path: str = "/health", *fields: str) -> Raw:
        """A whole request without a body."""
        return self.send("\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]))

    def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and decoded body of the next answer."""
        status = int(self.file.readline().split()[1])
        fields = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            fields[name.lower()] = value
        body = self.file.read(int(fields.get("content-length", 0)))
        return status, fields, json.loads(body) if body else None

    def refusal(self) -> tuple[int, str]:
        """Status and code of the next answer, which is an error like every other."""
        status, fields, body = self.answer()
        assert fields["content-type"] == "application/json"
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["x-request-id"]
        return status, body["error"]["code"]

    def until_read(self) -> Raw:
        """Wait until the server has taken all that was sent."""
        until_read(self.socket)
        return self

    def has_news(self, within_s: float) -> bool:
        """Whether anything has come, or the end."""
        return bool(select.select([self.socket], [], [], within_s)[0])

    def is_over(self) -> bool:
        """Whether the server ends it, without another word."""
        try:
            return self.file.read() == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Leave."""
        self.file.close()
        self.socket.close()
