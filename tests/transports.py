"""Transports without a connection, for tests of what writes to them."""

from __future__ import annotations

import json


class BlockedTransport:
    """A transport that never has room."""

    on_writable = on_blocked = raw_transport = None
    is_open = True
    is_writable = False

    def try_write(self, frame):
        return False


class FakeRawTransport:
    """A raw transport that takes frames while there is room."""

    def __init__(self, owner):
        self.owner = owner
        self.faults = 0
        self.is_gone = False

    def write(self, data):
        if self.faults or self.is_gone:
            self.faults -= 1
            raise RuntimeError("broken")
        self.owner.sent.append(json.loads(data[data.index(b"{") :]))
        if self.owner.pauses_next:
            self.owner.pause()

    def is_closing(self):
        return self.is_gone


class FakeTransport:
    """A transport of our own server, as a subscriber sees it."""

    def __init__(self):
        self.sent = []
        self.ended = None
        self.has_room, self.pauses_next, self.is_open = True, False, True
        self.on_writable = self.on_blocked = None
        self.raw = FakeRawTransport(self)

    @property
    def raw_transport(self):
        return self.raw if self.has_room and self.is_open and not self.raw.is_gone else None

    @property
    def is_writable(self):
        return self.has_room or not self.is_open

    def write(self, frame):
        if self.is_open and not self.raw.is_gone:
            self.raw.write(frame.encoded)

    def try_write(self, frame):
        if self.raw_transport is None:
            return False
        self.raw.write(frame.encoded)
        return True

    def pause(self):
        self.has_room = self.pauses_next = False
        self.on_blocked()

    def resume(self):
        self.has_room = True
        if self.on_writable is not None:
            self.on_writable()

    def close(self, code, reason):
        if self.on_blocked is not None:
            self.on_blocked()
        self.ended, self.is_open = code, False

    force_close = close

    @property
    def versions(self):
        return [frame["version"] for frame in self.sent if "version" in frame]
