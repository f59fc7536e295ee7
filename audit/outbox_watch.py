"""The wait for entries of the outbox: the store answers when there are some, so nobody polls.

A single server is asked about all shards with one `XREAD BLOCK`. On a Cluster, where shards live in different slots,
each shard has a connection and a question of its own.
"""

from __future__ import annotations

import select
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from redis.exceptions import AskError, MovedError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from audit.outbox_reader import BEFORE_ALL
from audit.stop_request import StopRequest
from synckairos.redis import client as redis_client
from synckairos.redis import keys

_OVERDUE_S = 2.0
"""Time after its end that a question waits for the answer of a store that hangs."""
_INTERRUPTED = (RedisConnectionError, RedisTimeoutError, MovedError, AskError, TryAgainError)
"""Errors of a question that say nothing about the streams: a look at them tells more."""


class _Question:
    """A question to the store: which of these shards have entries? The store answers when one has, or at the end."""

    def __init__(self, shards: tuple[int, ...]) -> None:
        self.shards = shards
        self._shard_by_key = {keys.outbox(shard).encode(): shard for shard in shards}
        self._connection = _new_connection(keys.outbox(shards[0]))
        self._ends_s: float | None = None
        """End of the question that is being asked; None for no question."""

    def ask(self, ends_s: float) -> None:
        """Ask until then (`time.monotonic`), unless the store still has the question."""
        if self._ends_s is not None:
            return
        names = list(self._shard_by_key)
        block_ms = max(1, int((ends_s - time.monotonic()) * 1000))
        self._connection.send_command(
            "XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS", *names, *[BEFORE_ALL] * len(names)
        )
        self._ends_s = ends_s

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with the answer."""
        return int(self._connection._sock.fileno())  # noqa: SLF001 - redis-py cannot wait for several connections

    def answer(self) -> list[int]:
        """Read the answer, and return the shards that have entries."""
        reply: Any = self._connection.read_response()
        self._ends_s = None
        return [self._shard_by_key[name] for name, _ in reply or ()]

    def is_overdue(self) -> bool:
        """Return true if the store should have answered for some time."""
        return self._ends_s is not None and time.monotonic() > self._ends_s + _OVERDUE_S

    def close(self) -> None:
        """Close the connection, and forget the question."""
        with suppress(*redis_client.ERRORS):
            self._connection.disconnect()


def _new_connection(key: str) -> Any:
    """Return a connection to the server of a key, outside of the pool: a question keeps it for seconds."""
    client = redis_client.blocking_client()
    if redis_client.is_cluster():
        client = client.get_redis_connection(client.get_node_from_key(key))
    pool = client.connection_pool
    return pool.connection_class(**pool.connection_kwargs)


class OutboxWatch:
    """The wait of one drain. It is for one thread at a time."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._questions: dict[tuple[int, ...], _Question] = {}

    def wait(self, shards: Collection[int], duration_s: float) -> list[int]:
        """Wait until the outboxes of some of these shards may have entries, and return these shards.

        Returns none when the time is over or the stop is requested. Raises redis.RedisError when the store cannot
        serve.
        """
        ends_s = time.monotonic() + duration_s
        groups = [(shard,) for shard in sorted(shards)] if redis_client.is_cluster() else [tuple(sorted(shards))]
        for group in self._questions.keys() - set(groups):
            self._questions.pop(group).close()
        try:
            while True:
                ready = self._overdue()
                for group in filter(None, groups):
                    ready += self._ask(group, ends_s)
                if ready or self._stop.is_made() or time.monotonic() >= ends_s:
                    return ready
                ready = self._poll(ends_s)
                if ready:
                    return ready
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections of the wait."""
        for question in self._questions.values():
            question.close()
        self._questions = {}

    def _ask(self, group: tuple[int, ...], ends_s: float) -> list[int]:
        """Ask about shards; return them when their server was lost, since the question did not reach it."""
        try:
            question = self._questions.get(group) or _Question(group)
            self._questions[group] = question
            question.ask(ends_s)
        except _INTERRUPTED:
            return self._drop(group)
        return []

    def _poll(self, ends_s: float) -> list[int]:
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        by_descriptor = {question.fileno(): question for question in self._questions.values()}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        ready: list[int] = []
        for descriptor, _ in poll.poll(max(0.0, ends_s - time.monotonic()) * 1000):
            if descriptor in by_descriptor:
                ready += self._answer(by_descriptor[descriptor])
        return ready

    def _answer(self, question: _Question) -> list[int]:
        try:
            return question.answer()
        except _INTERRUPTED:
            return self._drop(question.shards)

    def _overdue(self) -> list[int]:
        overdue = [group for group, question in self._questions.items() if question.is_overdue()]
        return [shard for group in overdue for shard in self._drop(group)]

    def _drop(self, group: tuple[int, ...]) -> list[int]:
        """Close a connection that is of no use, and return its shards: a look at their streams says what is wrong."""
        question = self._questions.pop(group, None)
        if question is not None:
            question.close()
        return list(group)
