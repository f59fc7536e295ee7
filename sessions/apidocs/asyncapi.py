"""`GET /asyncapi.json`: the WebSocket protocol (docs/protocol.md) as an AsyncAPI 3 document."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from msgspec import Struct

from sessions import frames
from sessions.apidocs.asyncapi_examples import examples
from sessions.apidocs.asyncapi_schemas import schemas, type_of
from sessions.apidocs.views import CachedDocument
from sessions.frames import CLIENT_FRAMES, SERVER_FRAMES
from sessions.realtime.credentials import PROTOCOL
from synckairos import version
from synckairos.close_codes import CloseCode, CloseReason
from synckairos.conf import HEARTBEAT_MAX_S, conf
from synckairos.errors import REFUSES_SOCKETS
from synckairos.http.django_views import read_only
from synckairos.http.docstrings import attribute_docstrings
from synckairos.http.openapi import ref

_INFO = """Timers and turn clocks that are the same on every screen: the WebSocket side. REST is at `/api-docs.json`.

One text frame is one JSON object with `type`. Frames of one session arrive in version order on one socket. Ignore types
and fields that you do not know: there may be more of both.

The version is that of the protocol; this server is SyncKairos {product}."""

_CHANNEL = """One socket shows one session, which need not exist yet. The credentials, from the first of these that is
there: the `Authorization` header; the parameter `ticket`; the sub-protocols `{protocol}, bearer.<token>` (the server
selects the first); the parameter `token`. A frame of yours may have {max_frame_bytes} bytes.

The server closes with:

| Code | Reason | |
|---|---|---|
{codes}

4400-4499: come back, after a random pause. 4500-4599: do not, until something has changed."""


@read_only
def asyncapi_document(request: HttpRequest) -> HttpResponse:
    """Return the document, without authentication."""
    return _DOCUMENT.answer(request)


def document(*, strict: bool = False) -> dict[str, Any]:
    """Return the document as plain data. With `strict`, schemas accept no other fields, for tests."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SyncKairos",
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "description": _INFO.format(product=version.PRODUCT),
        },
        "defaultContentType": "application/json",
        "channels": {"session": _channel()},
        "operations": _operations(),
        "components": {
            "messages": _messages(),
            "schemas": schemas(strict=strict),
            "securitySchemes": {
                "header": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "ticket": {"type": "httpApiKey", "in": "query", "name": "ticket"},
                "parameter": {"type": "httpApiKey", "in": "query", "name": "token"},
            },
        },
    }


def _channel() -> dict[str, Any]:
    names = [type_of(frame) for frame in (*SERVER_FRAMES, *CLIENT_FRAMES)]
    codes = "\n".join(f"| {code.value} | {_reasons(code)} | {text} |" for code, text in close_codes().items())
    return {
        "address": "/ws",
        "title": "One session",
        "description": _CHANNEL.format(protocol=PROTOCOL, max_frame_bytes=conf().max_frame_bytes, codes=codes),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "query": _query(), "headers": _headers(), "bindingVersion": "0.1.0"}},
    }


def _query() -> dict[str, Any]:
    heartbeat = (
        "Seconds between the server's pings: more than usual, for a client that wants to sleep. "
        f"The server takes {conf().heartbeat_s:g} to {HEARTBEAT_MAX_S:g}; anything beyond counts as the nearer end."
    )
    return {
        "type": "object",
        "required": ["sessionId"],
        "properties": {
            "sessionId": _text("The session to show.") | {"format": "uuid"},
            "heartbeat": {"type": "number", "default": conf().heartbeat_s, "description": heartbeat},
            "ticket": _text("A one-time ticket of `POST /v1/ws-tickets` for this session; spent by connecting."),
            "token": _text("A bearer token, for clients that can set neither a header nor a sub-protocol."),
        },
    }


def _headers() -> dict[str, Any]:
    protocols = f"`{PROTOCOL}, bearer.<token>`, for browsers; the server selects the first."
    origin = "Sent by browsers: a host of the server's, or an origin that it lists; others are answered with 403."
    return {
        "type": "object",
        "properties": {
            "Authorization": _text("`Bearer <token>`. Final: if it holds no good token, nothing else is tried."),
            "Sec-WebSocket-Protocol": _text(protocols),
            "Origin": _text(origin),
        },
    }


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _operations() -> dict[str, Any]:
    """Return the operations from the server's point of view: it sends the frames that clients receive."""
    from_server = (
        *(frames.Connected, frames.StateUpdate, frames.TimeWarning, frames.TimeExpired),
        *(frames.Presence, frames.SessionDeleted, frames.Error),
    )
    commands = tuple(frames.COMMAND_BY_FRAME)
    return {
        "show": _operation("send", "Show the session, on every change of it", from_server),
        "ping": _operation("receive", "Tell the time", (frames.Ping,), frames.Pong),
        "reconnect": _operation("receive", "Tell what was missed", (frames.Reconnect,), frames.StateSync, frames.Error),
        "command": _operation("receive", "Carry out a command", commands, frames.Ack, frames.Error),
        "authenticate": _operation("receive", "Take fresh credentials", (frames.Auth,), frames.Ack, frames.Error),
    }


def _operation(action: str, summary: str, of: tuple[type[Struct], ...], *replies: type[Struct]) -> dict[str, Any]:
    channel = {"$ref": "#/channels/session"}
    operation: dict[str, Any] = {
        "action": action,
        "channel": channel,
        "summary": summary,
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("header", "ticket", "parameter")],
        "messages": [_on_channel(frame) for frame in of],
    }
    if replies:
        operation["reply"] = {"channel": channel, "messages": [_on_channel(frame) for frame in replies]}
    return operation


def _on_channel(frame: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/channels/session/messages/{type_of(frame)}"}


def _messages() -> dict[str, Any]:
    all_examples = examples()
    return {type_of(frame): _message(frame, all_examples[type_of(frame)]) for frame in (*SERVER_FRAMES, *CLIENT_FRAMES)}


def _message(frame: type[Struct], shown: list[dict[str, Any]]) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(frame) or "").partition("\n\n")
    return {
        "name": type_of(frame),
        "title": frame.__name__,
        "summary": summary,
        **({"description": more} if more else {}),
        "payload": ref(frame.__name__),
        "examples": shown,
    }


def _reasons(code: CloseCode) -> str:
    open_ones = [reason.documented for reason in CloseReason if reason.code is code]
    refused = [error.code for error in REFUSES_SOCKETS if error.close_code is code]
    return ", ".join(f"`{reason}`" for reason in open_ones + refused)


def close_codes() -> dict[CloseCode, str]:
    """Return every close code with its docstring."""
    docstrings = attribute_docstrings(CloseCode)
    return {code: docstrings[code.name] for code in CloseCode}


_DOCUMENT = CachedDocument(lambda: (msgspec.json.encode(document()), "application/json"))
DOCUMENTS = {"/asyncapi.json": _DOCUMENT}
