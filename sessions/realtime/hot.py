"""The hot door: sessions made, commanded and read without a thread and without a framework.

Of all requests these are the most frequent, and Django's handler, DRF and their threads cost several times what they do
(docs/performance.md). So the plain case is served here, in front of Django: good credentials, a well-formed body, no
precondition. It asks the same service, in one round trip to the store (two for a command, when others command the
session too), and gives the same answer. Whatever is not plain goes on to the DRF views (sessions/rest/views.py), whose
words about what is wrong are the documented ones; this door has none of its own, so that the two cannot differ.

It stands in front of all other ASGI applications as well, and writes its answer in one piece (`Exchange`), with the
header lines that they would add.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from django.conf import settings

from sessions import limits
from sessions.presentation import to_json
from sessions.realtime import plain
from sessions.realtime.asking import Asked, Asker, Command, Creation, State
from sessions.realtime.limited import CountedSend
from sessions.services.outcome import Idempotency
from synckairos import context, ids, keys, logs
from synckairos.errors import ApiError, InternalError, Unauthenticated
from synckairos.http.asgi import Application, Exchange, Receive, Scope, Send, exchange_of
from synckairos.http.cors import Cors
from synckairos.http.gate import STATUS
from synckairos.http.protection import head_of_state
from synckairos.principal import authenticate, bearer_token

log = logs.get(__name__)

_ADDRESS = re.compile(r"/v1/sessions(?:/([^/]+)(?:/(switch|start|pause|resume|complete|cancel))?)?")
_NUL = b"\\u0000"
"""As JSON has it; the view says no to it, and to nothing that only looks like it."""
_METHODS = frozenset({"GET", "POST"})
_NOT_PLAIN = frozenset({b"if-match", b"if-none-match", b"content-encoding"})


class HotDoor:
    """The door, in front of an application that has all others."""

    def __init__(self, inner: Application, cors: Cors) -> None:
        self.inner = inner
        self.cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange, address = exchange_of(scope), _ADDRESS.fullmatch(scope["path"])
        if exchange is None or address is None or scope["method"] not in _METHODS:
            await self.inner(scope, receive, send)
            return
        counted = CountedSend(scope, send)
        try:
            if await self._has_served(scope, exchange, address, counted):
                return
        except Exception:
            log.exception("request failed")
            exchange.refusal = InternalError()
        await self.inner(scope, receive, counted)

    async def _has_served(self, scope: Scope, exchange: Exchange, address: re.Match[str], counted: CountedSend) -> bool:
        """Whether it is answered; if not, others do that, with an error if there is one."""
        try:
            body = await exchange.whole_body()
            asked = None if body is None else read(scope, body, address)
            if asked is not None:
                await self._serve(asked, scope, exchange, counted.tally)
        except ApiError as error:
            exchange.refusal = await counted.judged(error)
            return False
        else:
            return asked is not None

    async def _serve(self, asked: Asked, scope: Scope, exchange: Exchange, tally: limits.Tally) -> None:
        """Carry it out and answer."""
        info = context.current()
        info.update(route=asked.route, principal=asked.asker.principal.subject)
        if asked.session_id is not None:
            info["session_id"] = keys.text_of(asked.session_id)
        outcome = await asked.served(info["request_id"], tally)
        head = [
            head_of_state(scope["scheme"], settings.SECURE_HSTS_SECONDS),
            self.cors.head_for(asked.asker.origin),
            b'etag: "v%d"\r\nx-request-id: %s\r\n' % (outcome.state.version, info["request_id"].encode()),
            tally.head(),
        ]
        if outcome.replayed:
            head.append(b"idempotency-replayed: true\r\n")
        exchange.answer(asked.status, b"".join(head), to_json({"data": asked.view(outcome)}))
        info[STATUS] = asked.status


def read(scope: Scope, raw: bytes, address: re.Match[str]) -> Asked | None:
    """What is asked for; None for what is not plain, or not right. `raw` is the body."""
    if settings.SECURE_SSL_REDIRECT and scope["scheme"] != "https":
        return None  # Django sends it there
    headers = dict(scope["headers"])
    if headers.keys() & _NOT_PLAIN or len(headers) < len(scope["headers"]):
        return None  # a field that is given twice has no one meaning here
    try:
        principal = authenticate(bearer_token(headers.get(b"authorization", b"").decode("latin-1")) or "")
        origin = headers[b"origin"].decode("latin-1") if b"origin" in headers else None
        return _read(scope, headers, raw, Asker(principal, origin), address)
    except (Unauthenticated, msgspec.DecodeError, RecursionError, OverflowError, ValueError):
        return None


def _read(scope: Scope, headers: dict[bytes, bytes], raw: bytes, asker: Asker, address: re.Match[str]) -> Asked | None:
    """Raises what a body can be wrong by."""
    session, verb = address.groups()
    session_id = None if session is None else ids.parse_uuid(session)
    if session is not None and session_id is None:
        return None
    if scope["method"] == "GET" and session_id is not None and verb is None and not scope["query_string"]:
        return State(asker, session_id)
    if scope["method"] != "POST" or (session_id is not None and verb is None):
        return None
    decoded, key = _json(headers, raw), headers.get(b"idempotency-key")
    if key is not None:
        given = Idempotency.of_request(key.decode("latin-1"), "POST", scope["path"], decoded)
        asker = Asker(asker.principal, asker.origin, given)
    if session_id is None or verb is None:
        return Creation(asker, *plain.creation(decoded, asker.principal.subject))
    return Command(asker, session_id, verb, plain.command(verb, decoded))


def _json(headers: dict[bytes, bytes], raw: bytes) -> Any:
    """The decoded body; nothing is an empty object. Raises ValueError (msgspec's too) for what is none."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json" and (raw or kind):
        raise ValueError
    if _NUL in raw:
        raise ValueError  # it could be stored, and not audited
    return msgspec.json.decode(raw) if raw else {}
