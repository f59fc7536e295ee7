"""The web process: Uvicorn with our protocols, and an end that loses nobody.

On SIGTERM, SIGINT or SIGHUP it goes on serving for its lame-duck time, but says that it is not ready and asks clients
to open new connections. Then it stops accepting, sends its sockets away one after the other over the drain time (each
with a code that says come back, and when), finishes what is in flight, and exits with 0. A second signal takes the
waiting out of that, a third all of it.
"""

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
        self._hurry = asyncio.Event()
        """Nobody wants to wait for the end."""
        self._signals = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        for address in self.addresses():
            log.info("serving", **address)

    def addresses(self) -> list[dict[str, str | int]]:
        """Where it listens in truth: port 0 has become another, and a socket that was handed over has its own."""
        names = [listener.getsockname() for server in self.servers for listener in server.sockets]
        return [{"path": name} if isinstance(name, str) else {"host": name[0], "port": name[1]} for name in names]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end: in its time, at the second one in a hurry, at the third one at once."""
        del frame
        self._captured_signals.append(sig)
        self._signals += 1
        self.should_exit = True
        self.force_exit = self._signals > 2  # noqa: PLR2004 - as the docstring says
        if self._signals > 1 and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let everybody go elsewhere, then end as Uvicorn does."""
        lifecycle.start_draining()
        ticking = background.start(self._tick(), "tick")
        await self._until_forced(background.start(self._depart(sockets or []), "depart"))
        ticking.cancel()
        lifecycle.start_shutdown()
        for connection in list(self.server_state.connections):
            if isinstance(connection, WebSocketProtocol) and not connection.writable.is_set():
                connection.transport.abort()  # it has taken nothing for a while, and would not take a farewell
        await super().shutdown(sockets)
        # Asked to end, it has ended: Uvicorn would raise the signal again and die of it.
        self._captured_signals.clear()

    async def _depart(self, given: list[socket.socket]) -> None:
        """The lame-duck time, and the drain."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpProtocol):
                connection.be_the_last_answer()
        log.info("lame duck", seconds=conf().lame_duck_s)
        await self._unless_hurried(conf().lame_duck_s)
        # One that was given to us is others' too, and what waits on it is not lost.
        if not given and listeners.ignore_newcomers(self.servers):
            await asyncio.sleep(listeners.HANDSHAKE_S)
        for server in self.servers:
            server.close()
        for listener in given:
            listener.close()
        lifecycle.start_shutdown()
        clients = self._clients()
        log.info("draining", clients=len(clients))
        await clients.send_away(conf().drain_s, self._unless_hurried)

    async def _unless_hurried(self, seconds: float) -> None:
        """Wait, as long as there is time."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurry.wait()

    async def _tick(self) -> None:
        """Keep the date of answers right, which Uvicorn does until its shutdown."""
        while True:
            await self.on_tick(0)
            await asyncio.sleep(1)

    async def _until_forced(self, departure: asyncio.Task[None]) -> None:
        """Wait for it, unless a third signal says not to."""
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
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asked to stay
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
        access_log=False,  # it would write tokens that stand in an address
        log_config=None,  # ours is configured with the settings
        server_header=False,
        proxy_headers=False,  # whom to believe is ours to say (synckairos/http/client_address.py)
    )
    # Not Uvicorn's own `fd`: it takes every such socket for a Unix one, and the event loop then leaves TCP_NODELAY off.
    # The end of each answer would wait for the peer's delayed acknowledgement, 40 ms.
    Server(config, clients).run(None if fd is None else [socket.socket(fileno=fd)])
