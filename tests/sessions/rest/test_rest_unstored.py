"""Reads of sessions that the store does not have, while the audit has not stored all of their commits."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from audit.drain import drain_all
from audit.models import SyncEvent
from audit.retention_role import retention
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.conftest import bearer
from tests.talk import at, created, done, game, refused

pytestmark = pytest.mark.django_db(transaction=True)

READS = {
    "the session": ((), {}),
    "the session with one field": ((), {"fields": "version"}),
    "its state after an event": ((), {"sequence": 1}),
    "its state at an instant": ((), {"at": "2026-01-01T00:00:00Z"}),
    "its events": (("events",), {}),
}
STREAMS = {
    "outbox": keys.outbox,
    "newer": keys.outbox_newer,
    "refused": lambda shard: keys.outbox_refused(shard, 2),
    "dead letters": keys.outbox_dead,
}
each_read = pytest.mark.parametrize("read", READS.values(), ids=READS)
each_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


@pytest.fixture
def ended(api):
    """A completed session, none of it in the audit."""
    state = created(api, game(warning_thresholds_ms=[]))
    for step in ("start", "complete"):
        done(api.post(at(state, step)))
    return state


def forget(state):
    redis_client.blocking_client().delete(keys.state(UUID(state["session_id"])))


def move_to(stream, state):
    """Put the waiting entries into another stream of their shard, as a drain does with what it cannot write."""
    client, shard = redis_client.blocking_client(), keys.shard_of(UUID(state["session_id"]))
    if (to := stream(shard)) != keys.outbox(shard):
        for entry_id, fields in client.xrange(keys.outbox(shard)):
            client.xadd(to, fields)
            client.xdel(keys.outbox(shard), entry_id)


def is_behind(answer):
    return refused(answer, 503, "SERVICE_UNAVAILABLE")["details"] == {"reason": "audit_behind"}


def read_from(client, state, read):
    path, query = read
    return client.get(at(state, *path), params=query)


@each_read
@each_stream
def test_a_session_whose_commits_all_wait_is_not_called_missing(api, ended, stream, read):
    move_to(stream, ended)
    forget(ended)
    answer = read_from(api, ended, read)
    assert is_behind(answer)
    assert int(answer.headers["Retry-After"]) > 0


@each_read
@each_stream
def test_a_session_whose_last_commit_waits_is_not_shown(api, ended, stream, read):
    drain_all()
    assert api.post(at(ended, "tokens"), json={"role": "viewer"}).status_code == httpx.codes.CREATED
    move_to(stream, ended)
    forget(ended)
    assert is_behind(read_from(api, ended, read))


@each_read
@each_stream
def test_a_session_whose_deletion_waits_is_missing(api, staff_api, ended, stream, read):
    drain_all()
    assert api.delete(at(ended)).status_code == httpx.codes.NO_CONTENT
    move_to(stream, ended)
    for client in (api, staff_api):
        refused(read_from(client, ended, read), 404, "SESSION_NOT_FOUND")


@each_read
def test_a_stranger_is_not_told_of_a_session_that_the_store_has(bob_api, ended, read):
    refused(read_from(bob_api, ended, read), 404, "SESSION_NOT_FOUND")


@each_read
def test_rights_that_the_store_has_taken_are_not_given_by_the_audit(api, ended, read):
    given = api.post(at(ended, "tokens"), json={"role": "viewer"}).json()["data"]
    drain_all()
    api.delete(at(ended, "tokens", given["token_id"]))
    redis_client.blocking_client().delete(keys.outbox(keys.shard_of(UUID(ended["session_id"]))))
    path, query = read
    answer = api.get(at(ended, *path), params=query, headers=bearer(given["token"]))
    refused(answer, 401, "UNAUTHENTICATED")


def test_dead_letters_of_others_leave_no_question_open(api, ended):
    drain_all()
    shard = keys.shard_of(UUID(ended["session_id"]))
    pipe = redis_client.blocking_client().pipeline(transaction=False)
    for _ in range(500):
        pipe.xadd(keys.outbox_dead(shard), {"e": b"another"})
    pipe.execute()
    forget(ended)
    assert done(api.get(at(ended)))["archived"] is True


def test_an_entry_that_cannot_be_read_is_no_deletion(api, ended):
    session_id = UUID(ended["session_id"])
    drain_all()
    forget(ended)
    redis_client.blocking_client().xadd(keys.outbox(keys.shard_of(session_id)), {"e": session_id.bytes})
    assert is_behind(api.get(at(ended)))


@each_read
def test_a_session_without_a_creation_in_the_audit_is_not_shown(api, ended, read):
    drain_all()
    with retention():
        SyncEvent.objects.filter(sequence=1).delete()
    forget(ended)
    assert is_behind(read_from(api, ended, read))


def test_a_deleted_session_without_a_creation_in_the_audit_is_missing(api, ended):
    api.delete(at(ended))
    drain_all()
    with retention():
        SyncEvent.objects.filter(sequence=1).delete()
    for read in READS.values():
        refused(read_from(api, ended, read), 404, "SESSION_NOT_FOUND")
