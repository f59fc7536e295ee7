"""What the hub makes of all that has come since it looked last."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import uuid4

import msgpack
import pytest

from sessions import announcements
from sessions.announcements import HubMessage
from sessions.hub import hub as hub_module
from sessions.hub.hub import Hub
from sessions.hub.position import Position
from sessions.hub.subscriber import Subscriber
from synckairos.auth.principal import Principal
from synckairos.webserver.transport import Frame
from tests.transports import FakeTransport

SESSION = uuid4()
ALICE = Principal("alice", is_staff=False, expires_s=2**40)


class Layer:
    """Hands over what it is given, and then nothing more."""

    def __init__(self, *batches):
        self.batches = list(batches)
        self.is_done = asyncio.Event()

    async def receive_all(self, _channel):
        if self.batches:
            return self.batches.pop(0)
        self.is_done.set()
        return await asyncio.Future()


def commit(version):
    state = json.dumps({"version": version}).encode()
    return announcements.pack(HubMessage(SESSION, "one", version - 1, version, state))


@asynccontextmanager
async def receiving(hub, *batches):
    hub._layer, hub._channel = Layer(*batches), "channel"
    task = asyncio.create_task(hub._receive())
    try:
        async with asyncio.timeout(30):
            yield
            await hub._layer.is_done.wait()
    finally:
        task.cancel()


@pytest.fixture
async def hub():
    return Hub()


@pytest.fixture
def transports(hub):
    """Three clients who have been shown the first version."""
    made = []
    for _ in range(3):
        transport = FakeTransport()
        subscriber = Subscriber(transport, ALICE)
        hub.topics.add(SESSION, subscriber)
        subscriber.access_epoch = "one"
        subscriber.start(Frame(b'{"version": 1}'), Position("one", 1))
        made.append(transport)
    return made


async def test_every_message_is_delivered_and_one_that_is_not_understood_keeps_none_back(hub, transports, caplog):
    of_later = msgpack.packb({"type": "session.of_a_later_release"})
    async with receiving(hub, [commit(2), b"\xc1", commit(3), of_later, commit(4)], [commit(5)]):
        pass
    assert [transport.versions for transport in transports] == [[1, 2, 3, 4, 5]] * 3
    assert caplog.text.count("not understood") == 1


async def test_other_tasks_run_before_all_messages_are_delivered(hub, transports, monkeypatch):
    monkeypatch.setattr(hub_module, "MAX_GROUP_SIZE", 6)
    seen = []
    async with receiving(hub, [commit(version) for version in range(2, 8)]):
        while not hub._layer.is_done.is_set():
            await asyncio.sleep(0)
            seen.append(transports[0].versions[-1])
    assert seen == [3, 5, 7]
