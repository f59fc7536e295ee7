"""The hot door: sessions made, commanded and read without a thread, without a task and without a framework.

Of all requests these are the most frequent, and Django's handler, DRF and their threads cost several times what they do
(docs/performance.md). So the plain case is served here, in front of Django: good credentials, a well-formed body, no
precondition. It asks the same service, in one round trip to the store (two for a command, when others command the
session too), and gives the same answer. Whatever is not plain goes on to the DRF views (sessions/rest/views.py), whose
words about what is wrong are the documented ones; this door has none of its own, so that the two cannot differ.

It is no ASGI application: our server shows it whole requests (`Door` in synckairos/http/asgi.py), it writes its answer
in one piece, with the header lines that the others would add, and what it does not answer it passes on to them.
"""

from __future__ import annotations

import re
import time
from contextvars import copy_context
from typing import Any

import msgspec
from django.conf import settings

from sessions.entity_tags import entity_tag
from sessions.fastpath import schemas
from sessions.fastpath.operations import ROUTE, Asked, Asker, Command, Creation, State
from sessions.presentation import to_json
from sessions.services.outcome import Idempotency, Outcome
from synckairos import background, ids
from synckairos.auth.principal import authenticate, bearer_token
from synckairos.errors import ApiError, InternalError, Unauthenticated
from synckairos.http import json_bounds
from synckairos.http.allowed_hosts import hosts
from synckairos.http.asgi import Exchange, Scope
from synckairos.http.cors import Cors
from synckairos.http.duplicate_names import refuse_repeated_names
from synckairos.http.request_log import REQUEST_ID_HEADER, TOLD_SCHEME, record, true_scheme
from synckairos.http.security_headers import head_of_state
from synckairos.ratelimit import limits
from synckairos.ratelimit.asgi import header_fields, limit_unauthenticated
from synckairos.redis import keys
from synckairos.telemetry import log_context, logs

log = logs.get_logger(__name__)

_ADDRESS = re.compile(r"/v1/sessions(?:/([^/]+)(?:/(switch|start|pause|resume|complete|cancel))?)?")
_NUL = b"\\u0000"
"""As JSON has it; the view says no to it, and to nothing that only looks like it."""
_LONGEST_ORIGIN = 300
"""Bytes: a scheme, the longest name of a host and a port."""
_METHODS = frozenset({"GET", "POST"})
_JSON = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
"""As nearly everybody writes it; other ways to do so are the view's to read."""
_NOT_PLAIN = frozenset({b"if-match", b"if-none-match", b"content-encoding"})


class HotDoor:
    """The door, in front of all others."""

    def __init__(self, cors: Cors) -> None:
        self._cors = cors
        self._is_for_https = settings.SECURE_SSL_REDIRECT
        self._hsts_seconds = settings.SECURE_HSTS_SECONDS

    def knows(self, scope: Scope) -> bool:
        """Whether its address may be one of ours."""
        return scope["method"] in _METHODS and scope["path"].startswith(ROUTE)

    def serves(self, scope: Scope, body: bytes, exchange: Exchange) -> bool:
        """Whether a request is plain: then it is carried out."""
        headers = dict(scope["headers"])
        if TOLD_SCHEME in headers:
            scope = true_scheme(scope)
            headers = dict(scope["headers"])  # without that field: the two are compared
        if self._is_for_https and scope["scheme"] != "https":
            return False
        if not hosts().admits(headers.get(b"host")):
            return False  # both are for the admission to say (synckairos/http/admission.py)
        asked = read(scope, headers, body)
        if asked is None:
            return False
        _Request(asked, scope, exchange, self).begin()
        return True

    def head_of(self, outcome: Outcome, scope: Scope, origin: str | None, request_id: str) -> bytes:
        """The header lines that the application would give the answer."""
        tag = entity_tag(outcome.state.epoch, outcome.state.version)
        known = f"etag: {tag}\r\nx-request-id: {request_id}\r\n".encode()
        if outcome.replayed:
            known += b"idempotency-replayed: true\r\n"
        return head_of_state(scope["scheme"], self._hsts_seconds) + self._cors.head_for(origin) + known


class _Request:
    """One that was taken, until it is answered."""

    __slots__ = ("_asked", "_door", "_exchange", "_info", "_limiter", "_scope")

    def __init__(self, asked: Asked, scope: Scope, exchange: Exchange, door: HotDoor) -> None:
        self._asked = asked
        self._scope = scope
        self._exchange = exchange
        self._door = door
        self._limiter = limits.RateLimiter()
        self._info: dict[str, Any] = {}

    def begin(self) -> None:
        """Carry it out."""
        asked = self._asked
        request_id = ids.request_id_from(asked.asker.request_id)
        surroundings = copy_context()
        info = {"request_id": request_id, "principal": asked.asker.principal.subject, "route": asked.route}
        if asked.session_id is not None:
            info["session_id"] = keys.text_of(asked.session_id)
        self._info = surroundings.run(log_context.start, **info)
        asked.drive(asked.steps(request_id, self._limiter), self, surroundings)

    def done(self, outcome: Outcome) -> None:
        """Answer, with what the application would say."""
        asked, info = self._asked, self._info
        try:
            head = (
                self._door.head_of(outcome, self._scope, asked.asker.origin, info["request_id"])
                + self._limiter.header_lines()
            )
            self._exchange.answer(asked.status, head, to_json({"data": asked.view(outcome)}))
            record(self._scope, info, asked.status, time.perf_counter() - self._exchange.began_s)
        except Exception:
            log.exception("answer failed")
            self._exchange.abort()

    def failed(self, error: Exception) -> None:
        """Let the application find the words."""
        if not isinstance(error, ApiError):
            log.error("request failed", exc_info=error)
            error = InternalError()
        if isinstance(error, Unauthenticated):
            background.start(self._judge(error), "judge")
        else:
            self._refuse(error)

    async def _judge(self, error: ApiError) -> None:
        try:
            error = await limit_unauthenticated(error, self._scope, self._limiter)
        except ApiError as other:
            error = other
        except Exception:
            log.exception("request failed")
            error = InternalError()
        self._refuse(error)

    def _refuse(self, error: ApiError) -> None:
        self._exchange.known = self._info
        self._exchange.refusal = error
        self._exchange.told = header_fields(self._limiter)
        self._exchange.pass_on()


def read(scope: Scope, headers: dict[bytes, bytes], raw: bytes) -> Asked | None:
    """What is asked for; None for what is not plain, or not right. `raw` is the body."""
    address = _ADDRESS.fullmatch(scope["path"])
    if address is None or not _NOT_PLAIN.isdisjoint(headers) or len(headers) < len(scope["headers"]):
        return None  # a field that is given twice has no one meaning here
    if scope["query_string"]:
        return None
    try:
        principal = authenticate(bearer_token(headers.get(b"authorization", b"").decode("latin-1")) or "")
        origin = _origin(headers[b"origin"]) if b"origin" in headers else None
        request_id = headers[REQUEST_ID_HEADER].decode("latin-1") if REQUEST_ID_HEADER in headers else None
        return _read(scope, headers, raw, Asker(principal, origin, request_id), address)
    except (Unauthenticated, msgspec.DecodeError, RecursionError, OverflowError, ValueError):
        return None


def _origin(field: bytes) -> str:
    """Of a page. Raises ValueError for what is longer than any: the answer's head is remembered by it."""
    if len(field) > _LONGEST_ORIGIN:
        raise ValueError
    return field.decode("latin-1")


def _read(scope: Scope, headers: dict[bytes, bytes], raw: bytes, asker: Asker, address: re.Match[str]) -> Asked | None:
    """Raises what a body can be wrong by."""
    session, verb = address.groups()
    session_id = None if session is None else ids.parse_uuid(session)
    if session is not None and session_id is None:
        return None
    if scope["method"] == "GET" and session_id is not None and verb is None:
        return State(asker, session_id)
    if scope["method"] != "POST" or (session_id is not None and verb is None):
        return None
    decoded, key = _json(headers, raw), headers.get(b"idempotency-key")
    if key is not None:
        given = Idempotency.of_request(key.decode("latin-1"), "POST", scope["path"], decoded)
        asker = Asker(asker.principal, asker.origin, asker.request_id, given)
    if session_id is None or verb is None:
        return Creation(asker, *schemas.creation(decoded, asker.principal.subject))
    return Command(asker, session_id, verb, schemas.command(verb, decoded))


def _json(headers: dict[bytes, bytes], raw: bytes) -> Any:
    """The decoded body; nothing is an empty object. Raises ValueError (msgspec's too) for what is none."""
    kind = headers.get(b"content-type", b"").lower()
    if kind not in _JSON and (raw or kind):
        raise ValueError
    if _NUL in raw:
        raise ValueError  # it could be stored, and not audited
    if not raw:
        return {}
    if json_bounds.may_have_too_many_values(raw):
        raise ValueError
    decoded = json_bounds.decode(raw)
    refuse_repeated_names(raw, decoded)
    return decoded
