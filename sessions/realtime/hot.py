"""The hot door: a session's commands and its state, without a thread and without a framework.

Of all requests these are the most frequent, and Django's handler, DRF and their threads cost several times what they do
(docs/performance.md). So the plain case is served here, in front of Django: good credentials, a well-formed body, no
precondition. It asks the same service, in one round trip to the store (two for a command, when others command the
session too), and gives the same answer. Whatever is not plain goes on to the DRF views (sessions/rest/views.py), whose
words about what is wrong are the documented ones; this door has none of its own, so that the two cannot differ.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from sessions import limits
from sessions.presentation import StateView, SwitchView, present, present_switch, to_json
from sessions.realtime.limited import CountedSend
from sessions.realtime.turns import carry_out
from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency, Outcome
from sessions.store.calls import arun, beside
from synckairos import context, ids
from synckairos.engine import commands
from synckairos.errors import ApiError, Unauthenticated
from synckairos.http import answers
from synckairos.http.asgi import Application, Receive, Scope, Send
from synckairos.http.bodies import replay
from synckairos.principal import Principal, authenticate, bearer_token

_ADDRESS = re.compile(r"/v1/sessions/([^/]+)(?:/(switch|start|pause|resume|complete|cancel))?")
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
    command: commands.Command | None
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

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _ADDRESS.fullmatch(scope["path"])
        if match is None or scope["method"] != ("GET" if match[2] is None else "POST"):
            await self.inner(scope, receive, send)
            return
        body = (await receive()).get("body", b"")  # whole, as every application here gets it (bodies.py)
        asked = read(scope, match[1], match[2], body)
        if asked is None:
            await self.inner(scope, replay(body, receive), send)
            return
        route = "/v1/sessions/<str:session_id>" + (f"/{match[2]}" if match[2] else "")
        await serve(asked, route, CountedSend(scope, send))


async def serve(asked: Asked, route: str, send: CountedSend) -> None:
    """Carry it out and answer."""
    info = context.current()
    info.update(route=route, session_id=str(asked.session_id), principal=asked.principal.subject)
    try:
        outcome = await asked.served(info.get("request_id", ""), send.tally)
    except ApiError as error:
        await answers.refuse(send, await send.judged(error))
        return
    await answers.answer(send, 200, to_json({"data": _view(asked, outcome)}), *_headers(outcome))


def _view(asked: Asked, outcome: Outcome) -> StateView | SwitchView:
    if isinstance(asked.command, commands.Switch):
        return present_switch(outcome.state, outcome.at_ms, outcome.expired_participant_id, outcome.action_applied)
    return present(outcome.state, outcome.at_ms)


def _headers(outcome: Outcome) -> list[tuple[bytes, bytes]]:
    headers = [answers.JSON, (b"etag", b'"v%d"' % outcome.state.version)]
    if outcome.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    return headers


def read(scope: Scope, session_id: str, verb: str | None, raw: bytes) -> Asked | None:
    """What is asked for; None for what is not plain, or not right."""
    headers = {name.lower(): value for name, value in scope["headers"]}
    parsed = ids.parse_uuid(session_id)
    if parsed is None or headers.keys() & _NOT_PLAIN or len(headers) < len(scope["headers"]):
        return None  # a field that is given twice has no one meaning here
    try:
        principal = authenticate(bearer_token(headers.get(b"authorization", b"").decode("latin-1")) or "")
        if verb is None:
            return None if scope["query_string"] else Asked(parsed, principal, None)
        if not _is_json(headers, raw):
            return None
        decoded = msgspec.json.decode(raw) if raw else {}
        key = headers.get(b"idempotency-key")
        given = None if key is None else Idempotency.of_request(key.decode("latin-1"), "POST", scope["path"], decoded)
        return Asked(parsed, principal, _command(verb, decoded), given)
    except (Unauthenticated, msgspec.DecodeError, RecursionError, ValueError):
        return None


def _is_json(headers: dict[bytes, bytes], raw: bytes) -> bool:
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return kind == b"application/json" or (not raw and not kind)


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
