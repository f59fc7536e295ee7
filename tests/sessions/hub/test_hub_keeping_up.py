"""A message that was missed may have said who may look on: the next one shows that it was missed."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sessions.announcements import HubMessage
from sessions.hub.hub import Hub
from sessions.hub.subscriber import Subscriber
from synckairos.auth.principal import Principal
from tests.transports import BlockedTransport

SESSION = uuid4()


@pytest.fixture
async def heard():
    """Return whether the access of a topic at version 2 is checked again after this message."""
    hub = Hub()
    hub.topics.add(SESSION, Subscriber(BlockedTransport(), Principal("alice", is_staff=False, expires_s=2**40)))

    async def hear(epoch, since_version, version, *, known=("one", 2), is_creation=False):
        topic = hub.topics.get(SESSION)
        topic.access_position = known
        hub.presence._to_check_access.clear()
        await hub._deliver(HubMessage(SESSION, epoch, since_version, version, b"{}", is_creation=is_creation))
        return SESSION in hub.presence._to_check_access, topic.access_position

    return hear


async def test_the_next_announcement_leads_to_no_access_check(heard):
    assert await heard("one", 2, 3) == (False, ("one", 3))
    assert await heard("one", 2, 5) == (False, ("one", 5))


async def test_a_gap_of_announcements_leads_to_new_access_checks(heard):
    assert await heard("one", 3, 4) == (True, ("one", 4))


async def test_a_late_announcement_is_ignored(heard):
    assert await heard("one", 0, 1) == (False, ("one", 2))
    assert await heard("one", 1, 2) == (False, ("one", 2))


async def test_a_session_made_anew_whose_creation_was_missed_is_a_gap(heard):
    assert await heard("two", 1, 2) == (True, ("two", 2))
    assert await heard("two", 0, 1, is_creation=True) == (False, ("two", 1))


async def test_the_first_announcement_of_a_topic_without_readers_is_a_gap(heard):
    assert await heard("one", 7, 8, known=(None, 0)) == (True, ("one", 8))
