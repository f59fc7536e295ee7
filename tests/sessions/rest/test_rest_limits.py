"""Rate limits: 429 says when to come back, and then it works."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client

from synckairos.conf import Rate
from synckairos.principal import mint
from tests.conftest import bearer
from tests.servers import wait_until
from tests.sessions.rest.talk import at, game


@pytest.fixture
def alice():
    return Client(headers=bearer(mint("alice", is_staff=False)))


@pytest.fixture
def bob():
    return Client(headers=bearer(mint("bob", is_staff=False)))


def command(client, state, name, body=None):
    """A command, as JSON."""
    return client.post(at(state, name), body or {}, content_type="application/json")


def started(client):
    state = client.post("/v1/sessions", game(), content_type="application/json").json()["data"]
    assert command(client, state, "start").status_code == 200
    return state


def retry_after(answer):
    """The seconds that a 429 asks to wait."""
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "retry_after_seconds"}
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert answer.headers["Retry-After"] == str(error["retry_after_seconds"])
    return error["retry_after_seconds"]


def test_a_session_takes_so_many_switches_and_no_more(alice, bob, configure):
    state, other = started(alice), started(alice)
    configure(rate_switch=Rate(2, 3_600_000))
    assert [command(alice, state, "switch").status_code for _ in range(2)] == [200, 200]
    assert 1790 <= retry_after(command(alice, state, "switch")) <= 1800
    retry_after(command(bob, state, "switch"))
    assert alice.get(at(state)).json()["data"]["version"] == 4
    assert command(alice, other, "switch").status_code == 200
    assert command(alice, state, "pause").status_code == 200


def test_a_person_makes_so_many_requests_and_no_more(alice, bob, configure):
    state = started(alice)
    configure(rate_general=Rate(3, 3_600_000))
    assert [alice.get(at(state)).status_code for _ in range(3)] == [200] * 3
    for refused in (alice.get(at(state)), command(alice, state, "switch"), alice.post("/v1/sessions/batch")):
        assert 1 <= retry_after(refused) <= 1200
    assert alice.delete(at(state)).status_code == 429
    assert bob.get(at(state)).status_code == 200


def test_after_the_wait_it_works(alice, configure):
    state = started(alice)
    configure(rate_switch=Rate(1, 150))
    assert command(alice, state, "switch").status_code == 200
    assert retry_after(command(alice, state, "switch")) == 1
    wait_until(lambda: command(alice, state, "switch").status_code == 200, 2, "the limit lets a switch through")


def test_some_doors_have_no_limit(alice, configure):
    configure(rate_general=Rate(1, 3_600_000))
    for path in ("/v1/time", "/health", "/metrics"):
        assert [alice.get(path).status_code for _ in range(3)] == [200] * 3


def test_a_stranger_uses_up_nobodys_limit(alice, configure):
    configure(rate_general=Rate(1, 3_600_000))
    for _ in range(3):
        assert Client().get(f"/v1/sessions/{uuid4()}").status_code == 401
    assert alice.get(f"/v1/sessions/{uuid4()}").status_code == 404


def test_a_switch_that_is_malformed_uses_up_nothing_of_the_session(alice, configure):
    state = started(alice)
    configure(rate_switch=Rate(1, 3_600_000))
    for _ in range(3):
        assert command(alice, state, "switch", {"a": 1}).status_code == 400
    assert command(alice, state, "switch").status_code == 200
