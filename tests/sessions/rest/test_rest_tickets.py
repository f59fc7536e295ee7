"""One-time tickets as they are sold: `POST /v1/ws-tickets`. What they are good for: tests/sessions/realtime."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from sessions.services import one_time_tickets
from synckairos.auth.principal import authenticate, mint
from synckairos.errors import Unauthenticated
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from tests.conftest import bearer
from tests.talk import created, ms, wrong_fields

TICKET = re.compile(r"[A-Za-z0-9_-]{43}")


def bought(api, session_id, **headers):
    """The data of a ticket."""
    answer = api.post("/v1/ws-tickets", json={"session_id": session_id}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


def test_a_ticket_is_for_one_session_and_half_a_minute(api):
    session_id = created(api)["session_id"]
    before_ms = api.get("/v1/time").json()["timestamp_ms"]
    answer = api.post("/v1/ws-tickets", json={"session_id": session_id.upper()})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    ticket = answer.json()["data"]
    assert ticket.keys() == {"ticket", "session_id", "expires_at"}
    assert TICKET.fullmatch(ticket["ticket"])
    assert ticket["session_id"] == session_id
    after_ms = api.get("/v1/time").json()["timestamp_ms"]
    assert before_ms - 100 <= ms(ticket["expires_at"]) - 30_000 <= after_ms + 100


def test_the_session_need_not_exist_yet(api):
    assert bought(api, str(uuid4()))


def test_each_ticket_is_another_one_even_under_the_same_key(api):
    session_id = str(uuid4())
    values = {bought(api, session_id, **{"Idempotency-Key": "k"})["ticket"] for _ in range(5)}
    assert len(values) == 5


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "session_id"), ({"session_id": "x"}, "session_id"), ({"session_id": None}, "session_id"), ([], "body")],
)
def test_a_body_without_a_proper_session_is_refused(api, body, field):
    assert wrong_fields(api.post("/v1/ws-tickets", json=body)) == [field]
    assert wrong_fields(api.post("/v1/ws-tickets", json={"session_id": str(uuid4()), "a": 1})) == ["a"]


def test_nobody_without_a_token_gets_a_ticket_and_a_ticket_buys_no_other(api):
    session_id = str(uuid4())
    value = bought(api, session_id)["ticket"]
    for headers in ({"Authorization": ""}, bearer(value), {"Authorization": f"Ticket {value}"}):
        answer = api.post("/v1/ws-tickets", json={"session_id": session_id}, headers=headers)
        assert answer.status_code == 401


def test_the_store_knows_a_digest_and_forgets_it_in_time(api):
    value = bought(api, str(uuid4()))["ticket"]
    store = redis_client.blocking_client()
    assert 0 < store.pttl(keys.ticket(value)) <= 30_000
    assert store.exists(keys.ticket(value))
    for key in store.scan_iter():
        assert value.encode() not in key
        if store.type(key) == b"string":
            assert value.encode() not in store.get(key)


@pytest.mark.parametrize("is_staff", [True, False])
def test_whoever_brings_the_ticket_is_who_the_token_said(webs, api, is_staff):
    session_id = uuid4()
    token = mint("carol", is_staff=is_staff, lifetime=timedelta(hours=3))
    ticket = bought(api, str(session_id), **bearer(token))["ticket"]
    assert run_blocking(one_time_tickets.redeem(ticket, session_id)) == authenticate(token)
    with pytest.raises(Unauthenticated):
        run_blocking(one_time_tickets.redeem(ticket, session_id))


def test_a_ticket_is_good_no_longer_than_its_token(api):
    token = mint("carol", is_staff=False, lifetime=timedelta(seconds=25))
    ticket = bought(api, str(uuid4()), **bearer(token))
    assert ms(ticket["expires_at"]) <= authenticate(token).expires_s * 1000 + 50
    assert redis_client.blocking_client().pttl(keys.ticket(ticket["ticket"])) <= 25_000


def test_what_cannot_be_a_ticket_is_not_looked_for_in_the_store():
    for junk in ("", "x", "a" * 42, "a" * 44, "ä" * 43, "a" * 42 + "\n", "*" * 43):
        steps = one_time_tickets.redeem(junk, uuid4())
        with pytest.raises(Unauthenticated):
            next(steps)
