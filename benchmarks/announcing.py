"""Announcing a switch to all screens, apart from what it takes to commit one. Needs an attached stack."""

from __future__ import annotations

import time
from uuid import UUID

import making
from msgspec import Struct

from sessions.store import writes
from synckairos.engine.state import State
from synckairos.redis import keys
from synckairos.redis.client import async_client
from synckairos.redis.scripts import send_all

_CHANNEL = 9
"""The place of the group's channel among the arguments of a commit."""


class Announcement(Struct, frozen=True):
    """What is published on each channel so that every screen shows a version."""

    version: int
    messages: list[tuple[str, bytes]]

    async def publish(self) -> int:
        """Publish all; gives the instant before, of the monotonic clock in ns."""
        pipe = async_client().pipeline(transaction=False)
        for channel, message in self.messages:
            pipe.publish(channel, message)
        began_ns = time.monotonic_ns()
        await pipe.execute()
        return began_ns


class Sessions:
    """Sessions of the product that are switched together."""

    def __init__(self, states: list[State]) -> None:
        self.states = states

    @classmethod
    async def of(cls, session_ids: list[UUID]) -> Sessions:
        """Sessions that are at one version."""
        loaded = [await making.state_of(session_id) for session_id in session_ids]
        return cls([one.state for one in loaded if one.state is not None])

    async def next(self) -> Announcement:
        """Commit a switch of each without announcing it."""
        now = making.store_clock.now_ms()
        made = [making.switch_of(state, now, is_repeatable=False) for state in self.states]
        commits = [writes.commit(write) for write in made]
        for commit in commits:
            commit.args[_CHANNEL] = "nowhere"
        for reply in await send_all(commits):
            if not isinstance(reply, writes.Committed):
                raise TypeError(reply)
        self.states = [write.after for write in made if write.after is not None]
        messages = [(keys.group_channel(write.session_id), write.message) for write in made]
        return Announcement(self.states[0].version, messages)


class BareFrames:
    """Frames of the floor, as large as the product's."""

    def __init__(self, session_ids: list[UUID], size: int) -> None:
        self._channels = [f"floor:{session_id}" for session_id in session_ids]
        self._size = size
        self._version = 0

    async def next(self) -> Announcement:
        """A frame of the next version for each."""
        self._version += 1
        frame = b'{"type":"STATE_UPDATE","version":%d,"filling":"' % self._version
        frame += b"x" * (self._size - len(frame) - 2) + b'"}'
        return Announcement(self._version, [(channel, frame) for channel in self._channels])
