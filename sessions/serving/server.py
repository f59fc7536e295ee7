"""The web process: Uvicorn with our WebSocket protocol, and an end that loses nobody.

On SIGTERM or SIGINT it stops accepting, sends its sockets away in portions over the drain time (each with a code that
says come back, and when), finishes what is in flight, and exits with 0.
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from sessions.hub.hub import hub
from sessions.serving.http_protocol import HttpProtocol
from sessions.serving.protocol import SocketProtocol
from synckairos import background, lifecycle, logs
from synckairos.conf import conf

log = logs.get(__name__)

APPLICATION = "config.asgi:application"
_IN_FLIGHT_S = 5
_LOOK_EVERY_S = 0.1


class Server(uvicorn.Server):
    """Uvicorn's server, whose shutdown begins with a drain."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so."""
        await super().startup(sockets)
        log.info("serving", host=self.config.host, port=self.config.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send everybody away, then end as Uvicorn does."""
        lifecycle.drain()
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        if not self.force_exit:
            log.info("draining", clients=len(hub().rooms.outlets()))
            for connection in list(self.server_state.connections):
                if not isinstance(connection, SocketProtocol):
                    connection.shutdown()  # an idle one closes, a busy one after its answer
            await self._until_forced(background.start(hub().send_away(conf().drain_s), "drain"))
            for connection in list(self.server_state.connections):
                if isinstance(connection, SocketProtocol) and not connection.writable.is_set():
                    connection.transport.abort()  # it has taken nothing for a while, and would not take a farewell
        await super().shutdown(sockets)
        # Asked to end, it has ended: Uvicorn would raise the signal again and die of it.
        self._captured_signals.clear()

    async def _until_forced(self, drain: asyncio.Task[None]) -> None:
        """Wait for the drain; whoever presses Ctrl-C again does not."""
        while not drain.done():
            if self.force_exit:
                drain.cancel()
            await asyncio.wait({drain}, timeout=_LOOK_EVERY_S)


def serve(*, host: str = "127.0.0.1", port: int = 8000, fd: int | None = None) -> None:
    """Serve until told to stop. `fd` is a listening socket that somebody else has opened."""
    config = uvicorn.Config(
        APPLICATION,
        host=host,
        port=port,
        loop="uvloop",
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=conf().max_frame_bytes,
        ws_per_message_deflate=False,  # a frame is compressed for each socket anew: no shared bytes, 300 KiB a socket
        timeout_keep_alive=conf().keep_alive_s,
        timeout_graceful_shutdown=_IN_FLIGHT_S,
        access_log=False,  # it would write tokens that stand in an address
        log_config=None,  # ours is configured with the settings
        server_header=False,
        proxy_headers=False,  # whom to believe is ours to say (synckairos/http/addresses.py)
    )
    # Not Uvicorn's own `fd`: it takes every such socket for a Unix one, and the event loop then leaves TCP_NODELAY off.
    # The end of each answer would wait for the peer's delayed acknowledgement, 40 ms.
    Server(config).run(None if fd is None else [socket.socket(fileno=fd)])
