"""A request counts for what it costs: batches by their sessions, large sessions by their participants."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest
from django.test import Client

from synckairos.auth.principal import mint
from synckairos.conf import Rate
from synckairos.http.json_bounds import LARGE_BYTES
from tests.conftest import bearer
from tests.talk import at, game, seat

HOUR_MS = 3_600_000
LARGE = 250
"""Participants: two more requests."""


@pytest.fixture
def alice():
    return Client(headers=bearer(mint("alice", is_staff=False)))


def post(client, path, body):
    return client.post(path, body, content_type="application/json")


def made(client, seats=2):
    answer = post(client, "/v1/sessions", game(seats))
    assert answer.status_code == 201
    return answer.json()["data"]


def left(answer):
    """Of the general limit, by the answer's own word."""
    scope, remaining, _ = answer.headers["RateLimit"].split(", ")[0].split(";")
    assert scope == '"general"'
    return int(remaining.removeprefix("r="))


def batch(client, states):
    return post(client, "/v1/sessions/batch", {"session_ids": [state["session_id"] for state in states]})


def test_a_batch_counts_for_one_and_for_one_more_with_each_ten_sessions(alice, configure):
    states = [made(alice) for _ in range(21)]
    configure(rate_general=Rate(100, HOUR_MS))
    assert left(batch(alice, states[:1])) == 99
    assert left(batch(alice, states[:10])) == 98
    assert left(batch(alice, states[:11])) == 96
    assert left(batch(alice, states)) == 93


def test_a_batch_that_is_too_much_now_is_refused_before_it_is_read_and_says_when(alice, configure, monkeypatch):
    states = [made(alice) for _ in range(30)]
    configure(rate_general=Rate(4, HOUR_MS))
    assert alice.get(at(states[0])).status_code == 200
    assert alice.get(at(states[0])).status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr("sessions.services.sessions.get_many", None)
        refused = batch(alice, states)  # counts as three; one has passed, and for two more there is no room
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert left(refused) == 1
    assert batch(alice, states[:1]).status_code == 200


@pytest.mark.parametrize("limit", [1, 3, 5])
def test_a_batch_beyond_the_whole_limit_passes_when_nothing_else_has(alice, configure, limit):
    states = [made(alice) for _ in range(50)]
    configure(rate_general=Rate(limit, HOUR_MS))
    assert left(batch(alice, states)) == 0
    refused = batch(alice, states[:1])
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 3_600 / limit


@pytest.mark.parametrize("seats", [2, 100, 101, LARGE])
def test_a_session_counts_by_its_participants_however_it_is_read(alice, configure, seats):
    state = made(alice, seats)
    more = (seats - 1) // 100
    configure(rate_general=Rate(1_000, HOUR_MS))
    used = 0
    for path in (at(state), f"{at(state)}?fields=status", at(state, "summary")):
        used += 1 + more
        assert left(alice.get(path)) == 1_000 - used
    another = made(alice, seats)
    used += 1 + more
    used += 1 + 2 * more
    assert left(batch(alice, [state, another])) == 1_000 - used


def test_commands_and_creations_of_large_sessions_count_by_their_participants(alice, configure):
    configure(rate_general=Rate(1_000, HOUR_MS))
    answer = post(alice, "/v1/sessions", game(LARGE))
    assert left(answer) == 997
    state = answer.json()["data"]
    assert left(post(alice, at(state, "start"), {})) == 994
    assert left(post(alice, at(state, "switch"), {})) == 991
    assert left(post(alice, at(state, "pause"), {})) == 988


def test_what_was_more_than_a_request_is_waited_for_afterwards(alice, configure):
    state = made(alice, LARGE)
    configure(rate_general=Rate(2, HOUR_MS))
    first = alice.get(at(state))
    assert (first.status_code, left(first)) == (200, 0)
    refused = alice.get(at(state))
    assert refused.status_code == 429
    assert 1_800 < int(refused.headers["Retry-After"]) <= 3_600, "two of an hour's two, and one more"


def test_a_service_account_has_its_own_limit_for_that_too(configure):
    service = Client(headers=bearer(mint("games", is_staff=False, is_service=True)))
    states = [made(service) for _ in range(21)]
    configure(rate_general=Rate(1, HOUR_MS))
    assert batch(service, states).status_code == 200
    configure(rate_general=Rate(1, HOUR_MS), rate_service=Rate(3, HOUR_MS))
    assert batch(service, states).status_code == 200
    assert batch(service, states[:1]).status_code == 429


@pytest.mark.parametrize("name", ["participants", "groups"])
def test_a_creation_counts_by_its_lists_before_anybody_looks_into_them(alice, configure, name):
    configure(rate_general=Rate(1_000, HOUR_MS))
    body = {"sync_mode": "per_participant", name: [{}] * 1_000}
    refused = post(alice, "/v1/sessions", body)
    assert (refused.status_code, left(refused)) == (400, 990)
    assert left(post(alice, "/v1/sessions", body | {name: [{}] * 8_000})) == 980, "no more than the most that may be"
    assert left(post(alice, "/v1/sessions", body | {name: [{}] * 60_000})) == 965, "by its length: nobody decodes it"
    assert left(post(alice, "/v1/sessions", body | {name: {"a": 1}})) == 964
    assert left(post(alice, "/v1/sessions", [])) == 963


# ── bodies ────────────────────────────────────────────────────────────────────────────────────────────────────────


def padded(body, length):
    """JSON of so many bytes: a space is no part of it."""
    return json.dumps(body).ljust(length)


@pytest.mark.parametrize(
    ("length", "more"), [(LARGE_BYTES, 0), (LARGE_BYTES + 1, 1), (3 * LARGE_BYTES + 1, 3), (240_000, 14)]
)
def test_a_body_counts_for_one_more_with_each_16_kib_begun_beyond_the_first_at_every_endpoint(
    alice, configure, length, more
):
    state = made(alice)
    session = {"session_id": state["session_id"]}
    configure(rate_general=Rate(1_000, HOUR_MS))
    used = 0
    for path, body, status in (
        ("/v1/sessions", game(), 201),
        ("/v1/sessions", {"x": 1}, 400),
        ("/v1/sessions/batch", {"session_ids": [state["session_id"]]}, 200),
        ("/v1/ws-tickets", session, 201),
        (at(state, "tokens"), {"role": "viewer"}, 201),
        (at(state, "participants"), seat(), 200),
        (at(state, "start"), {}, 200),
        (at(state, "switch"), {}, 200),
        (at(state, "switch"), {"x": 1}, 400),
        (at(state, "start"), {}, 400),
    ):
        answer = post(alice, path, padded(body, length))
        used += 1 + more
        assert (answer.status_code, left(answer)) == (status, 1_000 - used), (path, answer.content)


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/batch", f"/v1/sessions/{UUID(int=1)}/switch"])
def test_a_body_for_which_nothing_is_left_is_refused_before_anybody_decodes_it(alice, configure, monkeypatch, path):
    configure(rate_general=Rate(4, HOUR_MS))
    assert left(alice.get("/v1/sessions/none")) == 3
    monkeypatch.setattr("synckairos.http.json_bounds.size_error", None)
    monkeypatch.setattr("synckairos.http.json_bounds.decode", None)
    refused = post(alice, path, padded({}, 3 * LARGE_BYTES + 1))
    assert (refused.status_code, left(refused)) == (429, 3)
    assert 0 < int(refused.headers["Retry-After"]) <= 900


def test_a_creation_counts_by_its_lists_or_by_its_length_whichever_is_more(alice, configure):
    configure(rate_general=Rate(1_000, HOUR_MS))
    plain = json.dumps(game(1_000))
    assert LARGE_BYTES < len(plain) < 9 * LARGE_BYTES
    first = post(alice, "/v1/sessions", plain)
    assert (first.status_code, left(first)) == (201, 990)
    second = post(alice, "/v1/sessions", json.dumps(game(1_000)).ljust(12 * LARGE_BYTES))
    assert (second.status_code, left(second)) == (201, 978)


@pytest.mark.parametrize("limit", [1, 3, 5, 8])
@pytest.mark.parametrize("length", [1, 2 * LARGE_BYTES, 12 * LARGE_BYTES])
@pytest.mark.parametrize("what", ["creation", "batch", "command"])
def test_a_large_body_beyond_the_whole_limit_passes_when_nothing_else_has(alice, configure, limit, length, what):
    path, body, status = {
        "creation": lambda: ("/v1/sessions", game(1_000), 201),
        "batch": lambda: ("/v1/sessions/batch", {"session_ids": [str(uuid4()) for _ in range(50)]}, 200),
        "command": lambda: (at(made(alice), "start"), {}, 200),
    }[what]()
    configure(rate_general=Rate(limit, HOUR_MS))
    answer = post(alice, path, padded(body, length))
    assert answer.status_code == status, answer.content
    if what == "creation" or length > 8 * LARGE_BYTES:
        assert left(answer) == 0
