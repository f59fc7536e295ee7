"""Answers of endpoints that speak plain ASGI: whole ones, ones in parts, and the documented errors."""

from __future__ import annotations

from typing import Any

import msgspec

from synckairos.errors import ApiError, Unauthenticated, UpgradeRequired

JSON = (b"content-type", b"application/json")
WEBSOCKET_UPGRADE = ((b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"sec-websocket-version", b"13"))


async def send_response(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """A whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def start_stream(send: Any, *headers: tuple[bytes, bytes]) -> None:
    """The beginning of an answer without an end; parts follow."""
    await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
    await send_chunk(send, b"")


async def send_chunk(send: Any, body: bytes) -> None:
    """More of it, waiting until the connection takes it."""
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def end_stream(send: Any) -> None:
    """The end after all."""
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_error(send: Any, error: ApiError, *more: tuple[bytes, bytes]) -> None:
    """The documented answer to an error."""
    fields, body = error_response(error)
    await send_response(send, error.http_status, body, *fields, *more)


def error_response(error: ApiError) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Header fields and body of the documented answer to an error."""
    fields = [JSON, *((name.encode(), value.encode()) for name, value in error.fields.items())]
    if error.retry_after_seconds is not None:
        fields.append((b"retry-after", str(error.retry_after_seconds).encode()))
    if isinstance(error, Unauthenticated):
        fields.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, UpgradeRequired):
        fields += WEBSOCKET_UPGRADE
    return fields, msgspec.json.encode({"error": error.body()})
