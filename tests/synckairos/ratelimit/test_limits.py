"""Rate limits: a 429 has the time of the next try, which then succeeds."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.test import Client

from synckairos.auth.principal import authenticate, mint
from synckairos.conf import Conf, Rate
from synckairos.ratelimit import policies
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.conftest import bearer
from tests.servers import ROOT
from tests.talk import at, game


@pytest.fixture
def alice():
    return Client(headers=bearer(mint("alice", is_staff=False)))


@pytest.fixture
def bob():
    return Client(headers=bearer(mint("bob", is_staff=False)))


@pytest.fixture
def moderator():
    return Client(headers=bearer(mint("moderator", is_staff=True)))


def command(client, state, name, body=None):
    """Send a command with a JSON body."""
    return client.post(at(state, name), body or {}, content_type="application/json")


def started(client):
    state = client.post("/v1/sessions", game(visibility="public"), content_type="application/json").json()["data"]
    assert command(client, state, "start").status_code == 200
    return state


def retry_after(answer):
    """Return the seconds that a 429 asks to wait."""
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "retry_after_seconds"}
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert answer.headers["Retry-After"] == str(error["retry_after_seconds"])
    return error["retry_after_seconds"]


def pass_time(state, seconds):
    """Let time pass for a session's limit, which the store keeps as an instant in microseconds."""
    redis_client.blocking_client().decrby(keys.switch_rate(UUID(state["session_id"])), seconds * 1_000_000)


def test_the_limit_of_a_session_counts_its_switches(alice, moderator, configure):
    state, other = started(alice), started(alice)
    configure(rate_switch=Rate(2, 3_600_000))
    assert [command(alice, state, "switch").status_code for _ in range(2)] == [200, 200]
    assert 1_700 <= retry_after(command(alice, state, "switch")) <= 1800
    retry_after(command(moderator, state, "switch"))
    assert alice.get(at(state)).json()["data"]["version"] == 4
    assert command(alice, other, "switch").status_code == 200
    assert command(alice, state, "pause").status_code == 200


def test_the_general_limit_counts_requests_of_a_person(alice, bob, configure):
    state = started(alice)
    configure(rate_general=Rate(3, 3_600_000))
    assert [alice.get(at(state)).status_code for _ in range(3)] == [200] * 3
    for refused in (alice.get(at(state)), command(alice, state, "switch"), alice.post("/v1/sessions/batch")):
        assert 1 <= retry_after(refused) <= 1200
    assert alice.delete(at(state)).status_code == 429
    assert bob.get(at(state)).status_code == 200


def test_a_request_passes_after_retry_after(alice, configure):
    state = started(alice)
    configure(rate_switch=Rate(1, 3_600_000))
    assert command(alice, state, "switch").status_code == 200
    wait_s = retry_after(command(alice, state, "switch"))
    pass_time(state, wait_s - 60)
    assert retry_after(command(alice, state, "switch")) <= 60
    pass_time(state, 60)
    assert command(alice, state, "switch").status_code == 200


@pytest.mark.django_db
def test_addresses_without_limits_have_no_limit_headers(alice, configure):
    configure(rate_general=Rate(1, 3_600_000))
    for path in ("/v1/time", "/health", "/ready", "/metrics"):
        for client in (alice, Client()):
            answers = [client.get(path) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200] * 3
            assert not any("RateLimit" in name for answer in answers for name in answer.headers)


def test_the_creation_limit_counts_creations_of_a_person(alice, bob, configure):
    configure(rate_create=Rate(2, 3_600_000))
    state = started(alice)
    assert alice.post("/v1/sessions", {}, content_type="application/json").status_code == 400
    started(alice)
    refused = alice.post("/v1/sessions", game(), content_type="application/json")
    assert 1_700 <= retry_after(refused) <= 1800
    assert alice.get(at(state)).status_code == 200
    started(bob)


def test_a_service_account_has_only_its_own_limit(configure):
    configure(rate_general=Rate(1, 3_600_000), rate_create=Rate(1, 3_600_000))
    service, person = (Client(headers=bearer(mint("x", is_staff=False, is_service=is_it))) for is_it in (True, False))
    states = [started(service) for _ in range(3)]
    assert "RateLimit" not in service.get(at(states[0])).headers
    assert person.get(at(states[0])).status_code == 200
    retry_after(person.get(at(states[0])))
    configure(rate_service=Rate(2, 3_600_000))
    answers = [service.get(at(state)) for state in states]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"service";q=2;w=3600'


def test_a_token_names_a_service_account(capsys):
    for options, is_service in ((["--service"], True), ([], False)):
        call_command("issue_token", "games", *options)
        principal = authenticate(capsys.readouterr().out.strip())
        assert (principal.subject, principal.is_service, principal.is_staff) == ("games", is_service, False)


def test_every_answer_has_the_state_of_its_limits(alice, configure):
    state = started(alice)
    configure(rate_general=Rate(6, 3_600_000), rate_switch=Rate(2, 60_000))
    first = alice.get(at(state))
    assert first.headers["RateLimit-Policy"] == '"general";q=6;w=3600'
    assert first.headers["RateLimit"] == '"general";r=5;t=600'
    missing = alice.get(f"/v1/sessions/{uuid4()}/summary")
    assert missing.status_code == 404
    assert missing.headers["RateLimit"].startswith('"general";r=4;t=1')
    both = command(alice, state, "switch")
    assert both.headers["RateLimit-Policy"] == '"general";q=6;w=3600, "switch";q=2;w=60'
    assert '"general";r=3;t=1' in both.headers["RateLimit"]
    assert '"switch";r=1;t=30' in both.headers["RateLimit"]
    assert command(alice, state, "switch").status_code == 200
    refused = command(alice, state, "switch")
    assert refused.headers["RateLimit"].endswith(f'"switch";r=0;t={retry_after(refused)}')
    assert alice.get(at(state)).status_code == 200
    last = alice.get(at(state))
    assert last.headers["RateLimit"] == f'"general";r=0;t={retry_after(last)}'


def test_the_last_request_that_passes_has_the_time_of_the_next(alice, configure):
    configure(rate_general=Rate(2, 7_200_000))
    path = f"/v1/sessions/{uuid4()}"
    last = [alice.get(path).headers["RateLimit"] for _ in range(2)][1]
    assert last.startswith('"general";r=0;t=')
    assert 3_500 < int(last.rpartition("=")[2]) <= 3_600


def test_retry_after_is_the_later_time_of_two_exhausted_limits(alice, configure):
    state = started(alice)
    configure(rate_general=Rate(2, 7_200_000), rate_switch=Rate(1, 600_000))
    assert command(alice, state, "switch").status_code == 200
    refused = command(alice, state, "switch")
    _, _, until_s = refused.headers["RateLimit"].rpartition('"switch";r=0;t=')
    assert 500 < int(until_s) <= 600
    assert 3_500 <= retry_after(refused) <= 3_600


def test_a_limit_that_is_off_is_not_mentioned(alice):
    assert not any("RateLimit" in name for name in alice.get(f"/v1/sessions/{uuid4()}").headers)


def test_every_limit_is_a_setting_that_the_documents_name_with_its_default():
    table = (ROOT / "docs" / "operations.md").read_text()
    for setting, default in policies.SETTINGS.items():
        assert f"| `{setting}` | `{default}` |" in table
        assert policies.conf_field(setting) in Conf.__struct_fields__
    assert len({limit.scope for limit in policies.CATALOGUE}) == len(policies.CATALOGUE)


def test_requests_without_credentials_do_not_count_for_a_person(alice, configure):
    configure(rate_general=Rate(1, 3_600_000))
    assert Client().get(f"/v1/sessions/{uuid4()}").status_code == 401
    for stranger in (Client(), Client(headers=bearer("garbage"))):
        retry_after(stranger.get(f"/v1/sessions/{uuid4()}"))
    assert alice.get(f"/v1/sessions/{uuid4()}/summary").status_code == 404


def test_refused_switches_do_not_count_for_the_session(alice, bob, configure):
    """Otherwise anybody who knows its id could stop a game."""
    state = started(alice)
    configure(rate_switch=Rate(2, 3_600_000))
    assert command(bob, state, "switch").status_code == 403
    assert command(alice, state, "switch", {"expected_version": 99}).status_code == 409
    keyed = {"content_type": "application/json", "HTTP_IDEMPOTENCY_KEY": "k"}
    answers = [alice.post(at(state, "switch"), {}, **keyed) for _ in range(5)]
    assert [answer.json()["data"]["version"] for answer in answers] == [3] * 5
    assert command(alice, state, "switch").status_code == 200
    retry_after(command(alice, state, "switch"))


def test_malformed_switches_do_not_count_for_the_session(alice, configure):
    state = started(alice)
    configure(rate_switch=Rate(1, 3_600_000))
    for _ in range(3):
        assert command(alice, state, "switch", {"a": 1}).status_code == 400
    assert command(alice, state, "switch").status_code == 200
