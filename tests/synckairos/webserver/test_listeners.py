"""The socket that a supervisor hands to a web process."""

from __future__ import annotations

import socket

from synckairos.webserver import server


def test_a_listener_handed_over_keeps_its_family_so_that_answers_are_not_held_back(monkeypatch):
    taken = []
    monkeypatch.setattr(server.Server, "run", lambda _self, sockets=None: taken.extend(sockets or []))
    listener = socket.create_server(("127.0.0.1", 0))
    server.serve("unused:unused", dict, fd=listener.detach())
    with taken[0] as served:
        assert served.family == socket.AF_INET  # asyncio sets TCP_NODELAY on the connections of these only
