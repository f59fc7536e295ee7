"""Thousands of screens in one process, as light as Python allows: `python viewers.py`.

One epoll, no event loop. Of each frame only the version is read. It is told lines of JSON, and answers each:

* `{"host", "port", "requests": [[group, handshake], …], "together"}`: opens a socket for each; `{"opened", "took_s"}`
* `{"version", "groups"}`: waits until so many groups have it on every socket; `{"at_ns", "frames", "lost", "groups"}`
* `{"report": true}`: all that was seen; `{"seen": {group: {version: [sockets, last at_ns]}}, "lost"}`

Instants are of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

_TEXT, _PING = 0x81, 0x89
_LENGTH_16 = 126
_HEAD_16 = 4
_VERSION = b'"version":'
_WITHIN = 300
"""A frame names its version among its first bytes."""
_ROOM = 1 << 16
_PATIENCE_S = 60.0


@dataclass
class Group:
    """The sockets of one session."""

    size: int = 0
    seen: dict[int, list[int]] = field(default_factory=dict)
    """By version: on how many sockets, and when the last of them had it."""


class Viewers:
    """All sockets of this process, read by one loop."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.sockets: dict[int, tuple[socket.socket, Group]] = {}
        self.groups: dict[str, Group] = {}
        self.rests: dict[int, bytes] = {}
        self.complete: dict[int, int] = {}
        """By version: how many groups have it everywhere."""
        self.lost = self.frames = 0
        self._buffer = bytearray(_ROOM)
        self._latest = b""
        """The frame that came last, which thousands may have in common."""
        self._version: int | None = None
        """What it names."""

    def open(self, host: str, port: int, requests: list[list[str]], together: int) -> float:
        """Open them, some at a time; gives how long it took, in seconds."""
        began_s = time.monotonic()
        for start in range(0, len(requests), together):
            some = [self._begin(host, port, *request) for request in requests[start : start + together]]
            for one in some:
                self._finish(one)
        return time.monotonic() - began_s

    def _begin(self, host: str, port: int, name: str, handshake: str) -> socket.socket:
        opened = socket.create_connection((host, port), timeout=_PATIENCE_S)
        opened.sendall(handshake.encode())
        group = self.groups.setdefault(name, Group())
        group.size += 1
        self.sockets[opened.fileno()] = opened, group
        return opened

    def _finish(self, opened: socket.socket) -> None:
        """Read the handshake's answer and the first frame."""
        data = b""
        while True:
            data += (more := opened.recv(_ROOM))
            if not more or not data.startswith(b"HTTP/1.1 101"[: len(data)]):
                raise ConnectionError(data[:200])
            _, found, rest = data.partition(b"\r\n\r\n")
            if found and len(rest) > 1 and len(rest) >= _frame_size(rest):
                break
        opened.setblocking(False)
        self._take(opened.fileno(), rest)
        self.epoll.register(opened, select.EPOLLIN)

    def step(self) -> bool:
        """Read what has come; True when standard input has something."""
        asked = False
        for fd, _ in self.epoll.poll(5, 8192):
            if fd == 0:
                asked = True
            else:
                self._read(fd)
        return asked

    def _read(self, fd: int) -> None:
        opened, group = self.sockets[fd]
        buffer = self._buffer
        try:
            size = opened.recv_into(buffer)
        except OSError:
            size = 0
        if not size:
            self.lost += 1
            self.epoll.unregister(fd)
            return
        is_one = buffer[0] == _TEXT and buffer[1] == _LENGTH_16 and (buffer[2] << 8 | buffer[3]) + _HEAD_16 == size
        if is_one and fd not in self.rests:
            if len(self._latest) != size or not buffer.startswith(self._latest):
                self._latest = bytes(buffer[:size])
                self._version = _version_of(self._latest)
            self._count(group, self._version)
        else:
            self._take(fd, self.rests.pop(fd, b"") + buffer[:size])

    def _take(self, fd: int, data: bytes) -> None:
        """Frames that came in pieces, or several at once, or of other kinds."""
        while len(data) > 1 and len(data) >= (size := _frame_size(data)):
            if data[0] == _TEXT:
                self._count(self.sockets[fd][1], _version_of(data[:size]))
            elif data[0] == _PING:
                self.sockets[fd][0].send(bytes((0x8A, 0x80 | (size - 2))) + bytes(4) + data[2:size])
            data = data[size:]
        if data:
            self.rests[fd] = data

    def _count(self, group: Group, version: int | None) -> None:
        if version is None:
            return
        self.frames += 1
        seen = group.seen.get(version)
        if seen is None:
            seen = group.seen[version] = [0, 0]
        seen[0] += 1
        if seen[0] >= group.size:
            seen[1] = time.monotonic_ns()
            self.complete[version] = self.complete.get(version, 0) + 1

    def reach(self, version: int, groups: int) -> dict[str, int]:
        """Wait until so many groups have a version."""
        ends_s = time.monotonic() + _PATIENCE_S
        while self.complete.get(version, 0) < groups and time.monotonic() < ends_s:
            self.step()
        last = max((group.seen.get(version, [0, 0])[1] for group in self.groups.values()), default=0)
        return {"at_ns": last, "frames": self.frames, "lost": self.lost, "groups": self.complete.get(version, 0)}


def _version_of(frame: bytes) -> int | None:
    at = frame.find(_VERSION, 0, _WITHIN)
    if at < 0:
        return None
    at += len(_VERSION)
    end = at
    while 48 <= frame[end] <= 57:  # noqa: PLR2004 - digits
        end += 1
    return int(frame[at:end]) if end > at else None


def _frame_size(data: bytes) -> int:
    """How long the first frame is, with its head; more than there is when that is not known yet."""
    length = data[1] & 0x7F
    if length < _LENGTH_16:
        return 2 + length
    head = _HEAD_16 if length == _LENGTH_16 else 10
    return head + int.from_bytes(data[2:head], "big") if len(data) >= head else head


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Do as told until standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    viewers = Viewers()
    viewers.epoll.register(0, select.EPOLLIN)
    while True:
        if not viewers.step():
            continue
        line = sys.stdin.readline()
        if not line:
            return
        told = json.loads(line)
        if "requests" in told:
            took_s = viewers.open(told["host"], told["port"], told["requests"], told["together"])
            _say({"opened": len(viewers.sockets), "took_s": took_s})
        elif "version" in told:
            _say(viewers.reach(told["version"], told["groups"]))
        else:
            _say({"seen": {name: group.seen for name, group in viewers.groups.items()}, "lost": viewers.lost})


if __name__ == "__main__":
    main()
