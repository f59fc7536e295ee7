"""Responses of plain ASGI endpoints: complete ones, streamed ones, and the documented errors."""

from __future__ import annotations

from typing import Any

import msgspec

from synckairos.errors import ApiError, Unauthenticated, UpgradeRequired

JSON = (b"content-type", b"application/json")
_WEBSOCKET_UPGRADE = {"Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Version": "13"}


async def send_response(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a complete response with its Content-Length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def start_stream(send: Any, *headers: tuple[bytes, bytes]) -> None:
    """Send the headers of a streamed response with status 200; chunks follow."""
    await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
    await send_chunk(send, b"")


async def send_chunk(send: Any, body: bytes) -> None:
    """Send a chunk, and wait until the connection has room for it."""
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def end_stream(send: Any) -> None:
    """Send the end of a streamed response."""
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_error(send: Any, error: ApiError, *more: tuple[bytes, bytes]) -> None:
    """Send the documented response to an error, with additional header fields."""
    fields, body = error_response(error)
    await send_response(send, error.http_status, body, *fields, *more)


def error_response(error: ApiError) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the header fields and the body of the documented response to an error."""
    fields = [(name.lower().encode(), value.encode()) for name, value in fields_of(error).items()]
    return [JSON, *fields], msgspec.json.encode({"error": error.body()})


def fields_of(error: ApiError) -> dict[str, str]:
    """Return the header fields of the documented response to an error, besides those of its body."""
    fields = error.fields.copy()
    if error.retry_after_seconds is not None:
        fields["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unauthenticated):
        fields["WWW-Authenticate"] = "Bearer"
    return fields | _WEBSOCKET_UPGRADE if isinstance(error, UpgradeRequired) else fields
