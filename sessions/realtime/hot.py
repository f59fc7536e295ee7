"""The hot door: `POST /v1/sessions/{id}/switch` without a thread and without a framework.

Of all requests this is the most frequent, and Django's middleware, DRF and their threads cost several times what it
does (docs/performance.md). So the plain case is served here, in front of Django: good credentials, a well-formed
body, no precondition. It asks the same service, in two round trips to the store, and gives the same answer. Whatever
is not plain goes on to the DRF view (sessions/rest/views.py), whose words about what is wrong are the documented ones;
this door has none of its own, so that the two cannot differ.
"""

from __future__ import annotations

import re
from uuid import UUID

import msgspec
from msgspec import Struct

from sessions import limits
from sessions.presentation import present_switch, to_json
from sessions.realtime.limited import CountedSend
from sessions.realtime.turns import in_turn
from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency, Outcome
from sessions.store.calls import beside
from synckairos import context, ids
from synckairos.engine import commands
from synckairos.errors import ApiError, Unauthenticated
from synckairos.http import answers
from synckairos.http.asgi import Application, Receive, Scope, Send
from synckairos.http.bodies import replay
from synckairos.principal import Principal, authenticate, bearer_token

ROUTE = "/v1/sessions/<str:session_id>/switch"
_ADDRESS = re.compile(r"/v1/sessions/([^/]+)/switch")
_NOT_PLAIN = frozenset({b"if-match", b"content-encoding"})
_LARGEST_VERSION = 2**53


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """A well-formed switch."""

    next_participant_id: str | None = None
    current_participant_id: str | None = None
    expected_version: int | None = None


class Asked(Struct, frozen=True):
    """A switch that is asked for in the plain way."""

    session_id: UUID
    principal: Principal
    command: commands.Switch
    idempotency: Idempotency | None


class HotDoor:
    """The door, in front of an application that has all others."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _ADDRESS.fullmatch(scope["path"]) if scope["method"] == "POST" else None
        if match is None:
            await self.inner(scope, receive, send)
            return
        body = (await receive()).get("body", b"")  # whole: the gate has read it
        asked = read(scope, match[1], body)
        if asked is None:
            await self.inner(scope, replay(body, receive), send)
            return
        await serve(asked, CountedSend(scope, send))


async def serve(asked: Asked, send: CountedSend) -> None:
    """Carry it out and answer."""
    info = context.current()
    info.update(route=ROUTE, session_id=str(asked.session_id), principal=asked.principal.subject)
    caller = Caller(asked.principal, info.get("request_id", ""), asked.idempotency)
    steps = service.switch(asked.session_id, asked.command, caller, tally=send.tally)
    try:
        outcome = await in_turn(asked.session_id, beside(send.tally.counted(limits.general(asked.principal)), steps))
    except ApiError as error:
        await answers.refuse(send, await send.judged(error))
        return
    await answers.answer(send, 200, _encoded(outcome), *_headers(outcome))


def _encoded(outcome: Outcome) -> bytes:
    return to_json(
        {"data": present_switch(outcome.state, outcome.at_ms, outcome.expired_participant_id, outcome.action_applied)}
    )


def _headers(outcome: Outcome) -> list[tuple[bytes, bytes]]:
    headers = [answers.JSON, (b"etag", b'"v%d"' % outcome.state.version)]
    if outcome.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    return headers


def read(scope: Scope, session_id: str, raw: bytes) -> Asked | None:
    """What is asked for; None for what is not plain, or not right."""
    headers = {name.lower(): value for name, value in scope["headers"]}
    parsed = ids.parse_uuid(session_id)
    if parsed is None or headers.keys() & _NOT_PLAIN or not _is_json(headers, raw):
        return None
    token = bearer_token(headers.get(b"authorization", b"").decode("latin-1"))
    try:
        principal = authenticate(token or "")
        decoded = msgspec.json.decode(raw) if raw else {}
        command = _command(msgspec.convert(decoded, Body))
        key = headers.get(b"idempotency-key")
        given = None if key is None else Idempotency.of_request(key.decode("latin-1"), "POST", scope["path"], decoded)
    except (Unauthenticated, msgspec.DecodeError, RecursionError, ValueError):
        return None
    return Asked(parsed, principal, command, given)


def _is_json(headers: dict[bytes, bytes], raw: bytes) -> bool:
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return kind == b"application/json" or (not raw and not kind)


def _command(body: Body) -> commands.Switch:
    """Raises ValueError for values that are none."""
    version = body.expected_version
    if version is not None and not 0 <= version <= _LARGEST_VERSION:
        raise ValueError
    return commands.Switch(_id(body.next_participant_id), _id(body.current_participant_id), version)


def _id(text: str | None) -> UUID | None:
    if text is None:
        return None
    parsed = ids.parse_uuid(text)
    if parsed is None:
        raise ValueError
    return parsed
