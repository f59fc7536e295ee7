"""The web process: Uvicorn with protocols of this project, and a shutdown that loses no client (docs/operations.md)."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType
from typing import Protocol

import uvicorn

from synckairos import background, lifecycle
from synckairos.conf import conf
from synckairos.telemetry import logs
from synckairos.webserver import file_descriptors, listeners
from synckairos.webserver.http_protocol import HttpProtocol
from synckairos.webserver.websocket_protocol import WebSocketProtocol

log = logs.get_logger(__name__)

_IN_FLIGHT_S = 5
_LOOK_EVERY_S = 0.1


class Clients(Protocol):
    """The WebSocket clients of this process, and those of the transports that stand in for WebSockets."""

    def __len__(self) -> int:
        """The number of clients that are connected."""

    async def send_away(self, within_s: float, pause: Callable[[float], Awaitable[object]]) -> None:
        """Close all connections, one after the other, within this many seconds; `pause` waits between two of them."""


class Server(uvicorn.Server):
    """Uvicorn's server, whose shutdown begins with a lame-duck time and a drain."""

    def __init__(self, config: uvicorn.Config, clients: Callable[[], Clients]) -> None:
        super().__init__(config)
        self._clients = clients
        self._hastened = asyncio.Event()
        """Set by a second signal: the waiting times end."""
        self._signals = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections, and log the addresses."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        for address in self.addresses():
            log.info("serving", **address)

    def addresses(self) -> list[dict[str, str | int]]:
        """Return the addresses in use: port 0 has become another one, and an inherited socket has its own."""
        names = [listener.getsockname() for server in self.servers for listener in server.sockets]
        return [{"path": name} if isinstance(name, str) else {"host": name[0], "port": name[1]} for name in names]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown at a first signal, hasten it at the second, and exit at the third."""
        del frame
        self._captured_signals.append(sig)
        self._signals += 1
        self.should_exit = True
        self.force_exit = self._signals > 2  # noqa: PLR2004 - as the docstring says
        if self._signals > 1 and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hastened.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Move the clients to other processes, then shut down as Uvicorn does."""
        lifecycle.start_draining()
        ticking = background.start(self._update_dates(), "tick")
        await self._wait_unless_forced(background.start(self._drain(sockets or []), "depart"))
        ticking.cancel()
        lifecycle.start_shutdown()
        for connection in list(self.server_state.connections):
            if isinstance(connection, WebSocketProtocol) and not connection.writable.is_set():
                connection.transport.abort()  # its peer reads nothing, and would not read a close frame
        await super().shutdown(sockets)
        # Uvicorn would raise the signals again, and the process would not exit with 0.
        self._captured_signals.clear()

    async def _drain(self, given: list[socket.socket]) -> None:
        """Wait for the lame-duck time, stop accepting, and close the clients over the drain time."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpProtocol):
                connection.disable_keep_alive()
        log.info("lame duck", seconds=conf().lame_duck_s)
        await self._wait_unless_hastened(conf().lame_duck_s)
        # An inherited socket is shared with other processes, which accept what waits on it.
        if not given and listeners.drop_new_handshakes(self.servers):
            await asyncio.sleep(listeners.HANDSHAKE_S)
            listeners.accept_hops(connection.transport for connection in self.server_state.connections)
        for server in self.servers:
            server.close()
        for listener in given:
            listener.close()
        lifecycle.start_shutdown()
        clients = self._clients()
        log.info("draining", clients=len(clients))
        await clients.send_away(conf().drain_s, self._wait_unless_hastened)

    async def _wait_unless_hastened(self, seconds: float) -> None:
        """Wait for this time, or until a second signal."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hastened.wait()

    async def _update_dates(self) -> None:
        """Keep the date in answers up to date, which Uvicorn does only until its shutdown."""
        while True:
            await self.on_tick(0)
            await asyncio.sleep(1)

    async def _wait_unless_forced(self, departure: asyncio.Task[None]) -> None:
        """Wait for the end of the drain, or until a third signal."""
        while not departure.done():
            if self.force_exit:
                departure.cancel()
            await asyncio.wait({departure}, timeout=_LOOK_EVERY_S)


def serve(
    application: str,
    clients: Callable[[], Clients],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    fd: int | None = None,
) -> None:
    """Serve an ASGI application, which is named as `module:attribute`, until a signal ends the process.

    `clients` gives the clients to send away at the end, once the application is loaded. `fd` is a listening socket that
    another process has opened.
    """
    file_descriptors.raise_limit()
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # started with nohup
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=conf().max_frame_bytes,
        ws_per_message_deflate=False,  # a frame is compressed for each socket anew: no shared bytes, 300 KiB a socket
        timeout_keep_alive=conf().keep_alive_s,
        timeout_graceful_shutdown=_IN_FLIGHT_S,
        access_log=False,  # it would log tokens in addresses
        log_config=None,  # logging is configured with the settings
        server_header=False,
        proxy_headers=False,  # synckairos/http/client_address.py decides which proxies are trusted
    )
    # Not Uvicorn's own `fd`: it takes every such socket for a Unix one, and the event loop then leaves TCP_NODELAY off.
    # The end of each answer would wait for the peer's delayed acknowledgement, 40 ms.
    Server(config, clients).run(None if fd is None else [socket.socket(fileno=fd)])
