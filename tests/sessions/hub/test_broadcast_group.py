"""Clients in group: a frame is a write for each, and whatever happens to one of them, it misses and repeats nothing."""

from __future__ import annotations

import json
import random
from uuid import uuid4

import pytest

from sessions.announcements import HubMessage, encode_access
from sessions.hub import topics as topics_module
from sessions.hub.broadcast_group import BroadcastGroup
from sessions.hub.delivery import Delivery
from sessions.hub.position import Position
from sessions.hub.subscriber import Subscriber
from sessions.hub.topics import Topic
from synckairos.auth.permissions import AccessSnapshot, ParticipantIdentity
from synckairos.auth.principal import Principal
from synckairos.engine.state import Access
from synckairos.engine.units import Visibility
from synckairos.webserver.transport import Frame
from tests.transports import FakeTransport

SESSION = uuid4()
ALICE = Principal("alice", is_staff=False, expires_s=2**40)


class Stage:
    """One session's topic, and its commits."""

    def __init__(self):
        self.topic = Topic(SESSION)
        self.version = 1

    def connect(self, principal=ALICE):
        transport = FakeTransport()
        subscriber = Subscriber(transport, principal)
        self.topic.add(subscriber)
        subscriber.access_epoch = "one"
        subscriber.start(Frame(self.state()), Position("one", self.version))
        return subscriber, transport

    def state(self):
        return json.dumps({"version": self.version}).encode()

    def commit(self, *notices, **more):
        self.version += 1
        message = HubMessage(SESSION, "one", self.version - 1, self.version, self.state(), notices, **more)
        for group in list(self.topic.groups):
            Delivery(message).deliver_to(group)

    def group_size(self):
        return sum(len(group.subscribers) - len(group.non_receivers) for group in self.topic.groups)


@pytest.fixture
async def stage():
    return Stage()


async def test_a_state_is_written_to_every_member_of_the_group(stage):
    clients = [stage.connect() for _ in range(3)]
    assert stage.group_size() == 3
    stage.commit()
    stage.commit()
    assert [transport.versions for _, transport in clients] == [[1, 2, 3]] * 3
    assert {subscriber.position for subscriber, _ in clients} == {Position("one", 3)}


async def test_a_blocked_client_leaves_the_group_and_receives_the_newest_state_later(stage):
    (slow, its_transport), (_, other) = stage.connect(), stage.connect()
    its_transport.pauses_next = True
    stage.commit()
    assert (stage.group_size(), slow.position.version) == (1, 2)
    stage.commit()
    stage.commit()
    assert its_transport.versions == [1, 2]
    its_transport.resume()
    assert (its_transport.versions, other.versions) == ([1, 2, 4], [1, 2, 3, 4])
    stage.commit()
    assert (its_transport.versions[-1], stage.group_size()) == (5, 2)


async def test_a_client_that_receives_an_answer_stays_in_the_group(stage):
    (subscriber, transport), _ = stage.connect(), stage.connect()
    subscriber.enqueue(Frame(b'{"answer": true}'))
    assert stage.group_size() == 2
    stage.commit()
    assert transport.sent == [{"version": 1}, {"answer": True}, {"version": 2}]


async def test_a_notice_is_sent_before_its_state(stage):
    clients = [stage.connect() for _ in range(2)]
    stage.commit(b'{"notice": true}')
    stage.commit()
    assert [transport.sent[1:] for _, transport in clients] == [[{"notice": True}, {"version": 2}, {"version": 3}]] * 2
    assert stage.group_size() == 2


async def test_a_client_with_another_state_joins_the_group_when_it_has_the_same_state(stage):
    stage.connect()
    late, transport = stage.connect()
    late.offer_state("one", 5, Frame(b'{"version": 5}'))
    assert stage.group_size() == 1
    stage.commit()  # 2: old for this one
    stage.version = 5
    stage.commit()
    assert transport.versions == [1, 5, 6]
    stage.commit()
    assert stage.group_size() == 2


async def test_an_error_of_one_client_affects_no_other_and_its_state_is_sent_again(stage):
    (broken, its_transport), (_, other) = stage.connect(), stage.connect()
    its_transport.raw.faults = 1
    stage.commit()
    assert (its_transport.versions, other.versions, broken.position.version) == ([1, 2], [1, 2], 2)


async def test_a_disconnected_client_logs_no_error(stage, caplog):
    _, transport = stage.connect()
    transport.raw.is_gone = True
    stage.commit()
    assert not caplog.records


async def test_a_client_without_access_receives_no_more_states(stage):
    (owner, hers), (guest, his) = stage.connect(), stage.connect(Principal("bob", is_staff=False, expires_s=2**40))
    stage.commit(encoded_access=encode_access(AccessSnapshot(SESSION, "one", Access("alice", Visibility.PRIVATE), ())))
    stage.commit()
    assert (hers.versions, his.versions) == ([1, 2, 3], [1])
    assert (guest.may_view, owner.may_view) == (False, True)


async def test_a_client_whose_access_was_checked_for_a_new_epoch_receives_its_state_at_once(stage):
    (subscriber, transport), (_, other) = stage.connect(), stage.connect()
    subscriber.access_epoch = "two"
    message = HubMessage(SESSION, "two", 2, 3, b'{"version": 3}')
    for group in stage.topic.groups:
        Delivery(message).deliver_to(group)
    assert (transport.versions, other.versions) == ([1, 3], [1])


async def test_the_close_is_sent_after_the_last_state(stage):
    (subscriber, transport), (_, other) = stage.connect(), stage.connect()
    subscriber.close(1012, "restart")
    stage.commit()
    assert (transport.ended, transport.versions, other.versions) == (1012, [1], [1, 2])
    subscriber.detach()
    stage.topic.remove(subscriber)
    stage.commit()
    assert (stage.group_size(), other.versions) == (1, [1, 2, 3])


async def test_large_groups_are_served_in_portions_that_empty_and_fill_again(stage, monkeypatch):
    monkeypatch.setattr(topics_module, "MAX_GROUP_SIZE", 2)
    clients = [stage.connect() for _ in range(5)]
    assert [len(group.subscribers) for group in stage.topic.groups] == [2, 2, 1]
    for subscriber, _ in clients[:2]:
        subscriber.detach()
        stage.topic.remove(subscriber)
    assert [len(group.subscribers) for group in stage.topic.groups] == [2, 1]
    stage.connect()
    assert [len(group.subscribers) for group in stage.topic.groups] == [2, 2]
    stage.commit()
    assert all(transport.versions == [1, 2] for _, transport in clients[2:])


def happen(stage, clients, ended, chance):
    """One thing of many, to one client or all."""
    subscriber, transport = place = chance.choice(clients)
    match chance.choice(("commit", "commit", "commit", "notice", "pause", "resume", "answer", "presence", "leave")):
        case "commit":
            stage.commit()
        case "notice":
            stage.commit(b'{"notice": true}')
        case "pause":
            transport.pauses_next = transport.has_room
        case "resume":
            transport.resume()
        case "answer":
            subscriber.enqueue(Frame(b'{"answer": true}'))
        case "presence":
            subscriber.offer_presence(Frame(b'{"presence": true}'))
        case "leave" if chance.random() < 0.2:
            clients.remove(place)
            subscriber.detach()
            stage.topic.remove(subscriber)
            ended.append((transport, list(transport.sent)))
            clients.append(stage.connect())


@pytest.mark.parametrize("seed", range(40))
async def test_every_client_receives_the_last_state_and_no_state_twice(stage, seed):
    chance, clients, ended = random.Random(seed), [stage.connect() for _ in range(6)], []
    for _ in range(300):
        happen(stage, clients, ended, chance)
    for _, transport in clients:
        transport.pauses_next = False
        transport.resume()
    stage.commit()
    for subscriber, transport in clients:
        assert transport.versions == sorted(set(transport.versions))
        assert (transport.versions[-1], subscriber.position.version) == (stage.version, stage.version)
    assert all(transport.sent == seen for transport, seen in ended)
    stage.commit()
    assert stage.group_size() == len(clients)


def test_an_empty_group_writes_nothing():
    group = BroadcastGroup(Position(None, 0))
    assert group.broadcast(Position("one", 2), Frame(b"{}")) == 0


def private_session_of(*names):
    """A private session of somebody else's with these people in it."""
    return AccessSnapshot(SESSION, "one", Access("owner"), tuple(ParticipantIdentity(uuid4(), name) for name in names))


async def test_a_client_that_loses_its_seat_is_closed_and_receives_nothing_more(stage):
    (_, ours), (_, bobs) = stage.connect(), stage.connect(Principal("bob", is_staff=False, expires_s=2**40))
    stage.commit(encoded_access=encode_access(private_session_of("bob")))
    stage.commit()
    assert (ours.versions, ours.ended) == ([1], 4503)
    assert (bobs.versions, bobs.ended) == ([1, 2, 3], None)


async def test_a_late_access_snapshot_closes_no_client(stage):
    stage.version = 6
    subscriber, transport = stage.connect()  # who has been seated by the sixth transition, and shown it
    stage.version = 4
    stage.commit(encoded_access=encode_access(private_session_of("bob")))
    stage.version = 6
    stage.commit()
    assert (transport.versions, transport.ended, subscriber.may_view) == ([6, 7], None, True)
