"""Ids derived from an Idempotency-Key: the same at every process, and nobody's to guess."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from uuid import UUID

import pytest

from sessions.services import derived_ids
from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency
from synckairos import ids
from synckairos.auth.principal import Principal
from synckairos.engine.commands import Create, Seat
from synckairos.engine.units import SyncMode
from synckairos.errors import SessionNotFound
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from synckairos.redis.scripts import Pipeline
from tests.talk import game

KEY = {"Idempotency-Key": "order-1"}
ALICE = Principal("alice", is_staff=False, expires_s=2**40)
CREATE = Create.of(SyncMode.PER_PARTICIPANT, participants=(Seat(UUID(int=1), 60_000),))


@pytest.fixture
def process(monkeypatch):
    """Makes this one as a process that knows this secret, or none."""
    monkeypatch.setattr(derived_ids, "_known", None)
    return lambda secret=None: monkeypatch.setattr(derived_ids, "_known", secret)


def caller(key="order-1", principal=ALICE):
    return Caller(principal, "test", Idempotency(key, "POST /v1/sessions", b"body"))


def made(key="order-1"):
    return run_blocking(service.create(CREATE, None, caller(key))).state.session_id


def digest_without_a_secret(subject, key):
    digest = blake2b(f"{subject}\0{key}".encode(), digest_size=16).digest()
    return UUID(bytes=digest, version=4)


def test_who_knows_subject_and_key_does_not_know_the_id(process):
    made_id = made()
    assert made_id.version == 4
    guess = digest_without_a_secret("alice", "order-1")
    assert made_id != guess
    with pytest.raises(SessionNotFound):
        run_blocking(service.get(guess, ALICE))
    redis_client.blocking_client().flushall()
    process()
    assert made() != made_id, "another store has another secret"


def test_an_id_taken_by_who_has_guessed_keeps_nobody_from_making_a_session(process):
    mallory = Principal("mallory", is_staff=False, expires_s=2**40)
    guess = digest_without_a_secret("alice", "order-1")
    run_blocking(service.create(CREATE, guess, Caller(mallory, "test")))
    assert made() != guess


def test_a_process_that_has_just_started_finds_what_another_has_made(process):
    first = made()
    process()
    assert made() == first


def test_a_repeat_costs_as_many_questions_as_any_creation(process):
    def asked(steps):
        questions, reply = 0, None
        while True:
            try:
                call = steps.send(reply)
            except StopIteration:
                return questions
            questions += 1
            reply = run_blocking(_just(call))

    made()
    plain = asked(service.create(CREATE, None, Caller(ALICE, "test")))
    assert asked(service.create(CREATE, None, caller("order-2"))) == plain


def _just(call: Pipeline):
    return (yield call)


def test_processes_agree_again_when_the_store_has_lost_its_data(process):
    made()
    older = derived_ids._known
    redis_client.blocking_client().flushall()
    process()
    first = made()  # at a process that has just started: the secret is a new one
    assert derived_ids._known != older
    process(older)
    assert made() == first
    redis_client.blocking_client().flushall()
    assert made() == first, "who is first gives back the secret that it knows"


def test_the_id_survives_a_rotation_of_all_keys(process, settings, configure):
    first = made()
    settings.SECRET_KEY = "another secret key that is long enough for anybody, surely it is"
    process()
    assert made() == first


def test_the_secret_stays_and_is_told_to_nobody(process, caplog):
    made()
    store = redis_client.blocking_client()
    secret = store.get(keys.id_secret())
    assert len(secret) == ids.SECRET_BYTES
    assert store.ttl(keys.id_secret()) == -1
    assert secret.hex() not in caplog.text


def test_creations_at_both_processes_at_once_make_one_session(api, other_api):
    body = game()
    with ThreadPoolExecutor(8) as pool:
        made_by = [api, other_api] * 8
        answers = list(pool.map(lambda client: client.post("/v1/sessions", json=body, headers=KEY), made_by))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["data"]["session_id"] for answer in answers}) == 1
