"""Sessions and requests for measurements, made in bulk. Needs an attached stack."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count
from uuid import UUID, uuid4

from sessions.services.commits import idempotency_key, write_of
from sessions.services.outcome import Caller, Idempotency
from sessions.store import store, writes
from synckairos.auth.principal import Principal, mint
from synckairos.engine import SyncMode, create_session, decide
from synckairos.engine.commands import Create, Seat, Switch
from synckairos.engine.state import Access, State
from synckairos.ids import new_epoch
from synckairos.redis import keys
from synckairos.redis.client import async_client
from synckairos.redis.scripts import send, send_all
from synckairos.redis.store_clock import store_clock

A_DAY_MS = 86_400_000
_TOGETHER = 250
_PLAYER = Principal("player", is_staff=False, expires_s=float("inf"))
"""Owns all sessions, and commands them."""
_CALLER = Caller(_PLAYER, "0" * 32, Idempotency("1234567890", f"POST /v1/sessions/{uuid4()}/switch", bytes(16)))
_PLAIN = Caller(_PLAYER, "")
_numbers = count(1_000_000_000)


def write(participants: int = 2, mode: SyncMode = SyncMode.PER_PARTICIPANT) -> writes.CommitRequest:
    """A session that runs from now on and will not end while anybody looks."""
    now = store_clock.now_ms()
    seats = tuple(Seat(uuid4(), A_DAY_MS) for _ in range(participants))
    total_time_ms = A_DAY_MS if mode is SyncMode.GLOBAL else None
    access = Access(owner=_PLAYER.subject)
    command = Create.of(mode, seats, start_at_ms=now, total_time_ms=total_time_ms, access=access)
    decision = create_session(command, session_id=uuid4(), epoch=new_epoch(), now=now)
    return write_of(decision, now, _PLAIN, is_creation=True)


def switch_of(state: State, now: int, *, is_repeatable: bool = True) -> writes.CommitRequest:
    """What a switch of this state writes; repeatable: with an Idempotency-Key."""
    caller = _CALLER if is_repeatable else _PLAIN
    return write_of(decide(state, Switch(), now), now, caller, key=idempotency_key(state.session_id, caller))


async def running_sessions(
    number: int, participants: int = 2, *, mode: SyncMode = SyncMode.PER_PARTICIPANT, is_audited: bool = True
) -> list[UUID]:
    """So many running sessions. Without an audit they only fill the store: their entries are thrown away."""
    await store_clock.probe_async()
    made: list[UUID] = []
    aside = keys.outbox(0) + ":bench"
    while len(made) < number:
        made_now = [write(participants, mode) for _ in range(min(_TOGETHER, number - len(made)))]
        commits = [writes.commit(one) for one in made_now]
        if not is_audited:
            for commit in commits:
                commit.keys[3] = aside
        for reply in await send_all(commits):
            if not isinstance(reply, writes.Committed):
                raise TypeError(reply)
        made += [one.session_id for one in made_now]
    await async_client().delete(aside)
    return made


async def drained(within_s: float = 120.0) -> None:
    """Wait until the audit has everything: what it still has to do would burden whoever is measured next."""
    client = async_client()
    async with asyncio.timeout(within_s):
        while any([await client.xlen(keys.outbox(shard)) for shard in keys.all_shards()]):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.1)


async def state_of(session_id: UUID) -> store.Snapshot:
    """A session as it is stored."""
    return await send(store.load(session_id))


def post(path: str, token: str, body: bytes = b"") -> tuple[bytes, bytes]:
    """A POST in two halves, between which the Idempotency-Key belongs."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Idempotency-Key: ",
    ]
    return "\r\n".join(head).encode(), b"\r\n\r\n" + body


def switches(session_ids: Sequence[UUID], token: str) -> Iterator[bytes]:
    """Requests that switch these sessions in turns, each with a key of its own."""
    halves = [post(f"/v1/sessions/{session_id}/switch", token) for session_id in session_ids]
    while True:
        for head, tail in halves:
            yield b"%s%d%s" % (head, next(_numbers), tail)


def reads(session_ids: Sequence[UUID], token: str) -> Iterator[bytes]:
    """Requests that read these sessions in turns."""
    lines = "GET /v1/sessions/{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n"
    requests = [lines.format(session_id, token).encode() for session_id in session_ids]
    while True:
        yield from requests


def creations(token: str) -> Iterator[bytes]:
    """Requests that each create a session of two."""
    seats = ",".join(f'{{"participant_id":"{uuid4()}","total_time_ms":{A_DAY_MS}}}' for _ in range(2))
    body = f'{{"sync_mode":"per_participant","participants":[{seats}]}}'.encode()
    head, tail = post("/v1/sessions", token, body)
    while True:
        yield b"%s%d%s" % (head, next(_numbers), tail)


def floor_requests(numbers: Sequence[int], verb: str, token: str) -> Iterator[bytes]:
    """The same bytes of headers to the floor, over as many keys."""
    halves = [post(f"/{number}/{verb}", token) for number in numbers]
    while True:
        for head, tail in halves:
            yield b"%s%d%s" % (head, next(_numbers), tail)


def floor_reads(numbers: Sequence[int], token: str) -> Iterator[bytes]:
    """The same for reading."""
    lines = "GET /{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n"
    requests = [lines.format(number, token).encode() for number in numbers]
    while True:
        yield from requests


def tokens(number: int) -> list[str]:
    """So many tokens of the one who owns all sessions."""
    return [mint(_PLAYER.subject, is_staff=False) for _ in range(number)]
