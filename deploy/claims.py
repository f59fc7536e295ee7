"""Resources of one stack alone: its data directory and its port. They are claimed first, or the start ends with a
message."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from pathlib import Path
from typing import TextIO

from options import data_directory

_BACKLOG = 2048


def claim_directory(data_dir: Path) -> TextIO:
    """Hold the directory for as long as the returned file is open."""
    try:
        data_directory.make_directory(data_dir)
        lock = (data_dir / "stack.lock").open("a+")
    except OSError as error:
        sys.exit(f"SyncKairos cannot start; SYNCKAIROS_DATA_DIR cannot be used: {error}")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        sys.exit(
            f"SyncKairos cannot start; another stack (process {lock.read().strip()}) runs on "
            f"SYNCKAIROS_DATA_DIR={data_dir}. Stop it, or give this one another directory and another PORT."
        )
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def listen(host: str, port: int) -> socket.socket:
    """Return the listening socket that all web processes share.

    The stack owns it, so that no connection is lost while a web process restarts: another one accepts it, or it waits
    in the queue. (With one SO_REUSEPORT socket for each process, connections in the queue of a dead one would be lost.)
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        sys.exit(
            f"SyncKairos cannot start; it cannot listen on HOST={host} PORT={port}: {error.strerror}. "
            "Name another, for example: PORT=8001 make up"
        )
    return listener
