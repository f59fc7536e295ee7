"""The hot door: a session's commands and its state, without a thread and without a framework.

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
from uuid import UUID

import msgspec
from django.conf import settings
from msgspec import Struct

from sessions import limits
from sessions.presentation import to_json
from sessions.realtime.limited import CountedSend
from sessions.realtime.turns import carry_out
from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency, Outcome
from sessions.store.calls import arun, beside
from synckairos import context, ids, keys, logs
from synckairos.conf import conf
from synckairos.engine import commands
from synckairos.errors import ApiError, InternalError, Unauthenticated
from synckairos.http.asgi import Application, Exchange, Receive, Scope, Send, exchange_of
from synckairos.http.cors import Cors
from synckairos.http.gate import STATUS
from synckairos.http.protection import head_of_state
from synckairos.principal import Principal, authenticate, bearer_token

log = logs.get(__name__)

_ADDRESS = re.compile(r"/v1/sessions/([^/]+)(?:/(switch|start|pause|resume|complete|cancel))?")
_ROUTE = "/v1/sessions/<str:session_id>"
_NOT_PLAIN = frozenset({b"if-match", b"if-none-match", b"content-encoding"})
_LARGEST_VERSION = 2**53
_COMMANDS: dict[str, type[commands.Start | commands.Pause | commands.Resume | commands.Complete | commands.Cancel]] = {
    "start": commands.Start,
    "pause": commands.Pause,
    "resume": commands.Resume,
    "complete": commands.Complete,
    "cancel": commands.Cancel,
}


class VersionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A well-formed command without arguments."""

    expected_version: int | None = None


class SwitchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A well-formed switch."""

    next_participant_id: str | None = None
    current_participant_id: str | None = None
    expected_version: int | None = None


class Asked(Struct, frozen=True):
    """What is asked for in the plain way."""

    session_id: UUID
    principal: Principal
    route: str
    origin: str | None
    """Of the page that asks."""
    command: commands.Command | None = None
    """None for the state."""
    idempotency: Idempotency | None = None

    async def served(self, request_id: str, tally: limits.Tally) -> Outcome:
        """How the service does it."""
        if self.command is None:
            counted = tally.counted(limits.general(self.principal))
            return await arun(beside(counted, service.get(self.session_id, self.principal)))
        caller = Caller(self.principal, request_id, self.idempotency)
        return await carry_out(self.session_id, self.command, caller, tally)


class HotDoor:
    """The door, in front of an application that has all others."""

    def __init__(self, inner: Application, cors: Cors) -> None:
        self.inner = inner
        self.cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        asked = None if exchange is None else read(scope, exchange.whole_body())
        if exchange is None or asked is None:
            await self.inner(scope, receive, send)
            return
        counted = CountedSend(scope, send)
        try:
            await self._serve(asked, scope, exchange, counted.tally)
        except ApiError as error:
            exchange.refusal = await counted.judged(error)
        except Exception:
            log.exception("request failed")
            exchange.refusal = InternalError()
        if exchange.refusal is not None:
            await self.inner(scope, receive, counted)

    async def _serve(self, asked: Asked, scope: Scope, exchange: Exchange, tally: limits.Tally) -> None:
        """Carry it out and answer."""
        info = context.current()
        info.update(route=asked.route, session_id=keys.text_of(asked.session_id), principal=asked.principal.subject)
        outcome = await asked.served(info["request_id"], tally)
        view = outcome.switched if isinstance(asked.command, commands.Switch) else outcome.shown
        head = [
            head_of_state(scope["scheme"], settings.SECURE_HSTS_SECONDS),
            self.cors.head_for(asked.origin),
            b'etag: "v%d"\r\nx-request-id: %s\r\n' % (outcome.state.version, info["request_id"].encode()),
            tally.head(),
        ]
        if outcome.replayed:
            head.append(b"idempotency-replayed: true\r\n")
        info[STATUS] = 200
        exchange.answer(b"".join(head), to_json({"data": view}))


def read(scope: Scope, raw: bytes | None) -> Asked | None:
    """What is asked for; None for what is not plain, or not right. `raw` is the body, None when it is not there yet."""
    match = _ADDRESS.fullmatch(scope["path"])
    if match is None or raw is None or not _is_plain(scope, verb := match[2], raw):
        return None
    headers = dict(scope["headers"])
    session_id = ids.parse_uuid(match[1])
    if session_id is None or headers.keys() & _NOT_PLAIN or len(headers) < len(scope["headers"]):
        return None  # a field that is given twice has no one meaning here
    try:
        principal = authenticate(bearer_token(headers.get(b"authorization", b"").decode("latin-1")) or "")
        origin = headers[b"origin"].decode("latin-1") if b"origin" in headers else None
        if verb is None:
            return Asked(session_id, principal, _ROUTE, origin)
        decoded = _json(headers, raw)
        key = headers.get(b"idempotency-key")
        given = None if key is None else Idempotency.of_request(key.decode("latin-1"), "POST", scope["path"], decoded)
        return Asked(session_id, principal, f"{_ROUTE}/{verb}", origin, _command(verb, decoded), given)
    except (Unauthenticated, msgspec.DecodeError, RecursionError, ValueError):
        return None


def _is_plain(scope: Scope, verb: str | None, raw: bytes) -> bool:
    if scope["method"] != ("GET" if verb is None else "POST") or (verb is None and scope["query_string"]):
        return False
    goes_to_https = settings.SECURE_SSL_REDIRECT and scope["scheme"] != "https"
    return len(raw) <= conf().max_body_bytes and not goes_to_https


def _json(headers: dict[bytes, bytes], raw: bytes) -> Any:
    """The decoded body; nothing is an empty object. Raises ValueError (msgspec's too) for what is none."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json" and (raw or kind):
        raise ValueError
    return msgspec.json.decode(raw) if raw else {}


def _command(verb: str, decoded: Any) -> commands.Command:
    """Raises ValueError (msgspec's too) for values that are none."""
    if verb != "switch":
        return _COMMANDS[verb](_version(msgspec.convert(decoded, VersionBody).expected_version))
    body = msgspec.convert(decoded, SwitchBody)
    return commands.Switch(
        _id(body.next_participant_id), _id(body.current_participant_id), _version(body.expected_version)
    )


def _version(version: int | None) -> int | None:
    if version is not None and not 0 <= version <= _LARGEST_VERSION:
        raise ValueError
    return version


def _id(text: str | None) -> UUID | None:
    if text is None:
        return None
    parsed = ids.parse_uuid(text)
    if parsed is None:
        raise ValueError
    return parsed
