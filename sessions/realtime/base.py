"""Base class of the WebSocket consumers: an error in a frame does not end it, and `disconnect` is always called.

It runs its own loop instead of Channels' dispatch, which would hop to a thread for every message to close database
connections that no consumer of ours opens.
"""

from __future__ import annotations

import asyncio
from typing import Any

from channels.consumer import AsyncConsumer

from sessions import messages
from synckairos import ids
from synckairos.close_codes import CloseCode
from synckairos.errors import ApiError, InternalError
from synckairos.http import security_log
from synckairos.http.security_log import Reason
from synckairos.telemetry import log_context, logs, metrics
from synckairos.webserver.transport import TRANSPORT_EXTENSION, ClientTransport, Frame, TaskTransport

log = logs.get_logger(__name__)

_TURNED_AWAY = {
    CloseCode.NOT_AUTHENTICATED: Reason.BAD_CREDENTIALS,
    CloseCode.TOO_MANY_MESSAGES: Reason.RATE_LIMIT,
    CloseCode.BAD_REQUEST: Reason.BAD_SOCKET,
}
"""The refusals that are reported in the security log, by close code."""


class FramesConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels has no types
    """A consumer of text frames, over a transport. Subclasses have `connect`, `frame`, `answer` and `disconnect`."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.base_send = send
        self.is_open = False
        transport = (scope.get("extensions") or {}).get(TRANSPORT_EXTENSION)
        self.transport: ClientTransport = transport or TaskTransport(self._send_frame, self.close)
        log_context.start(request_id=ids.new_request_id())
        try:
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    break
                await self._guarded(event)
        finally:
            self.is_open = False
            # Shielded: a cancelled socket must leave its group like any other.
            await asyncio.shield(self._left())

    async def connect(self) -> None:
        """Handle the handshake: accept the connection, or refuse it."""
        raise NotImplementedError

    async def frame(self, text: str) -> None:
        """Handle one text frame. An ApiError is sent as an `ERROR` frame."""
        raise NotImplementedError

    async def disconnect(self) -> None:
        """Release what `connect` took; called once, after the end of the socket."""

    async def accept(self, subprotocol: str | None = None) -> None:
        """Accept the connection, and mark it as open."""
        await self.base_send({"type": "websocket.accept", "subprotocol": subprotocol})
        self.is_open = True

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; later calls have no effect."""
        if self.is_open:
            self.is_open = False
            await self.base_send({"type": "websocket.close", "code": int(code), "reason": reason})

    async def refuse(self, code: CloseCode, reason: str) -> None:
        """Accept and close: a client sees the code and the reason of an accepted connection only."""
        if code in _TURNED_AWAY:
            security_log.log_refused_connection(_TURNED_AWAY[code], self.scope)
        if not self.is_open:
            await self.accept()
        await self.close(code, reason)

    def answer(self, payload: bytes) -> None:
        """Send the answer to a frame to the client."""
        raise NotImplementedError

    async def _send_frame(self, frame: Frame) -> None:
        await self.base_send({"type": "websocket.send", "text": frame.payload.decode()})

    async def _guarded(self, event: dict[str, Any]) -> None:
        is_frame = event["type"] == "websocket.receive"
        try:
            if not is_frame:
                await self.connect()
            elif self.is_open and self.transport.is_open:
                await self.frame(_text_of(event))
        except ApiError as error:
            await self._failed(error, is_frame=is_frame)
        except OSError as gone:
            # The server raises it when the client has disconnected during a send; the event follows.
            log.debug("socket gone", error=type(gone).__name__)
        except Exception:
            metrics.SOCKET_FAULTS.inc()
            log.exception("socket handler failed")
            await self._failed(InternalError(), is_frame=is_frame)

    async def _failed(self, error: ApiError, *, is_frame: bool) -> None:
        if is_frame:
            self.answer(messages.error(error))
        else:
            await self.refuse(error.close_code, error.code)

    async def _left(self) -> None:
        try:
            await self.disconnect()
        except Exception:
            metrics.SOCKET_FAULTS.inc()
            log.exception("socket clean-up failed")


def _text_of(event: dict[str, Any]) -> str:
    text = event.get("text")
    if not isinstance(text, str):
        raise NotText
    return text


class NotText(ApiError):
    """The client sent a binary frame."""

    code = "VALIDATION_ERROR"
    http_status = 400
    message = "Frames must be text"
