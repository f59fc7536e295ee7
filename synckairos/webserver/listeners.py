"""Closing a listening socket without a lost connection.

Closing one resets the connections that the kernel has accepted and the process has not. So the kernel first drops new
handshakes; the connections that it has are accepted, and then the socket is closed (docs/operations.md).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from asyncio import BaseTransport, Server
from collections.abc import Iterable
from contextlib import suppress

from synckairos.telemetry import logs

log = logs.get_logger(__name__)

HANDSHAKE_S = 0.25
"""The time for a handshake that has begun to end, and for the process to accept the connection."""
_SO_ATTACH_FILTER = 26
_FLAGS_AT = 13
_SYN, _ACK = 0x02, 0x10
_IGNORE_SYN = (  # a classic BPF program: code, jump if true, jump if false, operand
    (0x30, 0, 0, _FLAGS_AT),  # load the byte of TCP's flags
    (0x54, 0, 0, _SYN | _ACK),
    (0x15, 0, 1, _SYN),  # the first segment of a handshake?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # take everything else
)


_IP_MINTTL, _IPV6_MINHOPCOUNT = 21, 73
_HOP_LIMITS = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_MINTTL),
    socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT),
}
_HIGHEST, _ANY = 255, 0


def drop_new_handshakes(servers: list[Server]) -> bool:
    """Have the kernel drop the first segment of each new handshake with these servers; return whether it does so.

    Only for sockets that no other process listens on: a filter is the socket's, not the process's. Call `accept_hops`
    with the connections of these servers afterwards.
    """
    if sys.platform != "linux":
        return False
    listening = [listener.fileno() for server in servers for listener in server.sockets]
    try:
        try:
            for listener in listening:
                _attach(listener)
        except PermissionError:
            for listener in listening:
                _demand_hops(listener, _HIGHEST)
    except OSError as refused:
        log.warning("new connections cannot be held off", error=str(refused))
        return False
    return True


def accept_hops(transports: Iterable[BaseTransport]) -> None:
    """Take the demand for the highest hop limit back from connections that have inherited it."""
    if sys.platform != "linux":
        return
    for transport in transports:
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            with suppress(OSError):  # it has ended
                _demand_hops(connection.fileno(), _ANY)


def _attach(listener: int) -> None:
    program = b"".join(struct.pack("HBBI", *line) for line in _IGNORE_SYN)
    lines = ctypes.create_string_buffer(program)
    described = struct.pack("HP", len(_IGNORE_SYN), ctypes.addressof(lines))
    with _same(listener) as same:
        if same.family in _HOP_LIMITS:
            same.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _demand_hops(of: int, least: int) -> None:
    with _same(of) as same:
        if same.family in _HOP_LIMITS:
            same.setsockopt(*_HOP_LIMITS[same.family], least)
        if same.family == socket.AF_INET6 and not same.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            same.setsockopt(*_HOP_LIMITS[socket.AF_INET], least)  # it hears IPv4 as well


def _same(descriptor: int) -> socket.socket:
    """Return the socket once more, with its options, which an event loop's own leaves out."""
    return socket.socket(fileno=os.dup(descriptor))
