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
from asyncio import Server

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


def drop_new_handshakes(servers: list[Server]) -> bool:
    """Have the kernel drop the first segment of each new handshake with these servers; return whether it does so.

    Only for sockets that no other process listens on: a filter is the socket's, not the process's.
    """
    if sys.platform != "linux":
        return False
    try:
        for server in servers:
            for listener in server.sockets:
                _attach(listener.fileno())
    except OSError as refused:
        log.warning("new connections cannot be held off", error=str(refused))
        return False
    return True


def _attach(listener: int) -> None:
    program = b"".join(struct.pack("HBBI", *line) for line in _IGNORE_SYN)
    lines = ctypes.create_string_buffer(program)
    described = struct.pack("HP", len(_IGNORE_SYN), ctypes.addressof(lines))
    with socket.socket(fileno=os.dup(listener)) as same:
        if same.family in {socket.AF_INET, socket.AF_INET6}:
            same.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
