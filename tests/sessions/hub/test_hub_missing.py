"""Clients of a session that the store does not have: the audit decides whether they may come back."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import OperationalError

from sessions.hub import reconciliation
from sessions.hub.position import NOWHERE, Position
from sessions.hub.subscriber import Subscriber
from sessions.hub.topics import Topics
from sessions.services import lost_sessions
from synckairos.auth.principal import Principal
from synckairos.redis.client import close_async_client
from tests.sessions.hub.test_subscriber import SlowTransport

ALICE = Principal("alice", is_staff=False, expires_s=2**40)
SHOWN = Position("4f0c2a9e", 3)


@pytest.fixture
def topics():
    return Topics()


def client(topics, session_id, position=SHOWN):
    """A client that has been given this position, and its transport."""
    transport = SlowTransport()
    transport.room = 100
    subscriber = Subscriber(transport, ALICE)
    topics.add(session_id, subscriber)
    subscriber.start(None, position)
    return transport


async def reconciled(topics, monkeypatch, lost):
    async def lost_among(_session_ids):
        return lost

    monkeypatch.setattr(reconciliation, "lost_among", lost_among)
    await reconciliation.reconcile_all(topics, lambda _session_id: None)
    await close_async_client()


async def test_clients_of_a_lost_session_may_come_back_and_those_of_a_deleted_one_may_not(topics, monkeypatch):
    lost, deleted = uuid4(), uuid4()
    transports = client(topics, lost), client(topics, deleted)
    await reconciled(topics, monkeypatch, {lost})
    assert [transport.ended[1] for transport in transports] == [1012, 1000]
    assert transports[0].ended[2].startswith("State lost; retry_ms=")
    assert "SESSION_DELETED" in transports[1].sent[0]


async def test_while_the_audit_cannot_tell_clients_are_left_alone(topics, monkeypatch):
    transport = client(topics, uuid4())
    await reconciled(topics, monkeypatch, None)
    assert (transport.ended, transport.sent) == (None, [])


async def test_a_client_that_waits_for_a_session_is_left_alone(topics, monkeypatch):
    transport = client(topics, uuid4(), NOWHERE)
    await reconciled(topics, monkeypatch, set())
    assert (transport.ended, transport.sent) == (None, [])


async def test_an_audit_that_is_away_cannot_tell(monkeypatch):
    def fail(*_arguments):
        raise OperationalError

    monkeypatch.setattr(lost_sessions.lost_sessions, "live_among", fail)
    monkeypatch.setattr(lost_sessions.lost_sessions, "access_state", fail)
    assert await lost_sessions.lost_among([uuid4()]) is None
    await lost_sessions.require_not_lost(uuid4(), ALICE)
