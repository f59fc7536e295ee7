"""Wires that lead nowhere, for tests of what stands before them."""

from __future__ import annotations

import json


class NoWire:
    """Takes nothing."""

    on_writable = on_blocked = direct = None
    is_open = True
    is_writable = False

    def take(self, frame):
        return False


class Transport:
    """Takes frames while there is room."""

    def __init__(self, wire):
        self.wire = wire
        self.faults = 0
        self.is_gone = False

    def write(self, data):
        if self.faults or self.is_gone:
            self.faults -= 1
            raise RuntimeError("broken")
        self.wire.sent.append(json.loads(data[data.index(b"{") :]))
        if self.wire.pauses_next:
            self.wire.pause()

    def is_closing(self):
        return self.is_gone


class DirectWire:
    """A wire of our own server, as an subscriber sees it."""

    def __init__(self):
        self.sent = []
        self.ended = None
        self.has_room, self.pauses_next, self.is_open = True, False, True
        self.on_writable = self.on_blocked = None
        self.transport = Transport(self)

    @property
    def direct(self):
        return self.transport if self.has_room and self.is_open and not self.transport.is_gone else None

    @property
    def is_writable(self):
        return self.has_room or not self.is_open

    def write(self, frame):
        if self.is_open and not self.transport.is_gone:
            self.transport.write(frame.encoded)

    def take(self, frame):
        if self.direct is None:
            return False
        self.transport.write(frame.encoded)
        return True

    def pause(self):
        self.has_room = self.pauses_next = False
        self.on_blocked()

    def resume(self):
        self.has_room = True
        if self.on_writable is not None:
            self.on_writable()

    def finish(self, code, reason):
        if self.on_blocked is not None:
            self.on_blocked()
        self.ended, self.is_open = code, False

    expel = finish

    @property
    def versions(self):
        return [frame["version"] for frame in self.sent if "version" in frame]
