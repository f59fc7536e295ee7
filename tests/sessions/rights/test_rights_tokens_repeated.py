"""Giving a session token under an Idempotency-Key: a repeat gets the very same one, and no second one is alive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import msgspec
import pytest

from synckairos.auth.grants import Role, SessionGrant
from synckairos.auth.principal import SESSION, authenticate, mint, mint_session_token, validity_from_now
from synckairos.auth.signing_keys import generate_pem, key_ring
from synckairos.redis import client as redis_client
from tests.conftest import bearer
from tests.talk import at, created, done, refused, wrong_fields

KEY = {"Idempotency-Key": "the same key"}
VIEWER = {"role": "viewer"}


@pytest.mark.parametrize("lifetime", [{}, {"lifetime_ms": 90_500}])
def test_a_repeat_gets_the_same_token_and_says_so(api, other_api, lifetime):
    address = at(created(api), "tokens")
    first = api.post(address, json=VIEWER | lifetime, headers=KEY)
    assert first.status_code == 201
    assert "idempotency-replayed" not in first.headers
    for client in (api, other_api):
        again = client.post(address, json=VIEWER | lifetime, headers=KEY)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["cache-control"] == "no-store"


def test_many_repeats_at_once_get_one_token_and_are_one_transition(api, other_api):
    state = created(api)
    address = at(state, "tokens")
    with ThreadPoolExecutor(8) as pool:
        clients = [api, other_api] * 4
        answers = list(pool.map(lambda client: client.post(address, json=VIEWER, headers=KEY), clients))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert done(api.get(at(state)))["version"] == state["version"] + 1


def test_a_grant_that_was_not_committed_the_first_time_is_committed_by_the_repeat(api):
    state = created(api)
    first = api.post(at(state, "tokens"), json=VIEWER, headers=KEY).json()["data"]
    name = next(key for key in redis_client.blocking_client().scan_iter("sk:*:i:*"))
    record = msgspec.msgpack.decode(redis_client.blocking_client().get(name))
    redis_client.blocking_client().set(name, msgspec.msgpack.encode([*record[:-1], False]), keepttl=True)
    for _ in range(13):  # the first commit is no more among the latest ones
        done(api.patch(at(state, "clock"), json={"adjust_ms": 1}))
    again = api.post(at(state, "tokens"), json=VIEWER, headers=KEY).json()["data"]
    assert again == first
    assert done(api.get(at(state)))["version"] == state["version"] + 15


def test_another_request_under_the_key_is_refused_and_other_keys_and_people_get_tokens_of_their_own(api, staff_api):
    address = at(created(api), "tokens")
    first = api.post(address, json=VIEWER, headers=KEY).json()["data"]
    refused(api.post(address, json={"role": "controller"}, headers=KEY), 422, "IDEMPOTENCY_KEY_REUSED")
    others = [
        api.post(address, json=VIEWER),
        api.post(address, json=VIEWER, headers={"Idempotency-Key": "another key"}),
        staff_api.post(address, json=VIEWER, headers=KEY),
    ]
    assert len({first["token_id"], *(answer.json()["data"]["token_id"] for answer in others)}) == 4
    assert wrong_fields(api.post(address, json=VIEWER, headers={"Idempotency-Key": ""})) == ["Idempotency-Key"]


def test_what_was_refused_leaves_nothing_behind(api):
    body = {"role": "participant", "participant_id": str(uuid4())}
    state = created(api)
    refused(api.post(at(state, "tokens"), json=body, headers=KEY), 404, "PARTICIPANT_NOT_FOUND")
    assert api.post(at(state, "tokens"), json=VIEWER, headers=KEY).status_code == 201


def test_a_revoked_token_stays_revoked_when_it_is_given_again(api):
    state = created(api, {"sync_mode": "count_up"})
    for over in ("one", "all"):
        key = {"Idempotency-Key": over}
        first = api.post(at(state, "tokens"), json=VIEWER, headers=key).json()["data"]
        assert api.get(at(state), headers=bearer(first["token"])).status_code == 200
        one = (first["token_id"],) if over == "one" else ()
        assert api.delete(at(state, "tokens", *one)).status_code == 204
        again = api.post(at(state, "tokens"), json=VIEWER, headers=key).json()["data"]
        assert again == first
        refused(api.get(at(state), headers=bearer(again["token"])), 401, "UNAUTHENTICATED")


def test_a_session_made_anew_knows_nothing_of_the_keys_of_the_one_before(api):
    body = {"sync_mode": "count_up", "session_id": str(uuid4())}
    tokens = []
    for _ in range(2):
        state = created(api, body)
        answer = api.post(at(state, "tokens"), json=VIEWER, headers=KEY)
        assert "idempotency-replayed" not in answer.headers
        tokens.append(answer.json()["data"]["token"])
        assert api.get(at(state), headers=bearer(tokens[-1])).status_code == 200
        api.delete(at(state))
    assert tokens[0] != tokens[1]


def test_who_may_give_none_any_more_gets_none_again(api, staff_api):
    state = created(api)
    staff_api.post(at(state, "tokens"), json=VIEWER, headers=KEY)
    no_longer_staff = bearer(mint("moderator", is_staff=False))
    refused(api.post(at(state, "tokens"), json=VIEWER, headers=KEY | no_longer_staff), 404, "SESSION_NOT_FOUND")


def test_the_store_holds_no_token(api):
    token = api.post(at(created(api), "tokens"), json=VIEWER, headers=KEY).json()["data"]["token"]
    client = redis_client.blocking_client()
    kept = [client.dump(key) for key in client.scan_iter("*")]
    assert any(authenticate(token).grant.token_id.encode() in value for value in kept)
    assert not any(token.rpartition(".")[2].encode() in value for value in kept)


def test_after_a_change_of_keys_it_is_the_same_token_signed_with_the_new_one(configure):
    grant = SessionGrant(uuid4(), "0" * 8, Role.VIEWER, "0" * 32)
    good = validity_from_now(SESSION)
    before = mint_session_token(grant, good)
    assert mint_session_token(grant, good) == before
    configure(signing_keys=key_ring(generate_pem()))
    after = mint_session_token(grant, good)
    assert after != before
    assert authenticate(after).grant == grant
