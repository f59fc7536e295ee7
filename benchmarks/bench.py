"""What every measurement stands on: a stack of its own, the floor beside it, and turns between the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import making
from msgspec import Struct
from servers import FLOOR, PRODUCT, Group, serving
from stack import Stack

from sessions.presentation import present_switch, to_json
from sessions.store import writes

T = TypeVar("T")


class Sizes(Struct, frozen=True):
    """How many bytes a switch of two players moves."""

    state: int
    commit: int
    """All that the commit script is handed."""
    body: int
    message: int
    """What is published for all screens."""


@dataclass
class Bench:
    """One run of a benchmark on a stack of processes: its length in seconds, and the latency of each answer in ms."""

    stack: Stack
    exits: ExitStack
    """Ends what has been started."""
    is_short: bool
    rounds: int
    seconds: float
    """Of one round, where rounds are made of time."""
    sizes: Sizes
    _groups: dict[tuple[str, int], Group] = field(default_factory=dict)

    def size(self, full: int, short: int) -> int:
        """A number that is smaller in a short run."""
        return short if self.is_short else full

    def floor(self, processes: int = 1) -> Group:
        """The floor, with so many processes."""
        sizes = {"FLOOR_STATE": self.sizes.state, "FLOOR_COMMIT": self.sizes.commit, "FLOOR_BODY": self.sizes.body}
        told = {name: str(size) for name, size in sizes.items()}
        return self.group(FLOOR, processes, FLOOR_STORE=str(self.stack.socket_path), **told)

    def product(self, processes: int = 1) -> Group:
        """The product, with so many web processes; one is the stack's own."""
        if processes > 1:
            return self.group(PRODUCT, processes)
        parts = urlsplit(self.stack.url)
        return Group(str(parts.hostname), int(parts.port or 80), [self.stack.pid_of("web")])

    def group(self, script: list[str], processes: int, **settings: str) -> Group:
        """Processes that belong to the stack. They stay until the end of the run, for the next measurement."""
        place = (script[0], processes)
        if place not in self._groups:
            env = {**self.stack.child_environment(), **settings}
            self._groups[place] = self.exits.enter_context(serving(script, env, processes))
            _wake(self._groups[place])
        return self._groups[place]

    async def in_turns(self, *measures: Callable[[], Awaitable[T]], rounds: int | None = None) -> list[list[T]]:
        """Measure one after the other, round by round, once more than counts: the first round warms up.

        Every other round goes the other way, so that what a turn leaves behind does not always meet the same one. No
        turn begins before the audit has caught up with the last one. There are as many rounds as anywhere in this
        run, or as told. Gives the rounds of each.
        """
        found: list[list[T]] = [[] for _ in measures]
        for number in range((rounds or self.rounds) + 1):
            turns = list(zip(found, measures, strict=True))
            for results, measure in reversed(turns) if number % 2 else turns:
                await making.drained()
                result = await measure()
                if number or self.is_short:
                    results.append(result)
            if self.is_short:  # nobody reads its figures
                break
        return found


async def sizes(participants: int = 2) -> Sizes:
    """The sizes of a switch with an Idempotency-Key, taken from one."""
    (session_id,) = await making.running_sessions(1, participants)
    loaded = await making.state_of(session_id)
    assert loaded.state is not None
    write = making.switch_of(loaded.state, loaded.now)
    assert write.after is not None
    arguments = writes.commit(write).args
    commit = sum(len(one if isinstance(one, bytes) else str(one)) for one in arguments)
    body = to_json({"data": present_switch(write.after, loaded.now)})
    return Sizes(len(arguments[1]), commit, len(body), len(write.message))


def _wake(group: Group) -> None:
    """A process of the product loads its addresses with the first request; no round should pay for that."""
    for _ in range(8 * len(group.pids)):
        with suppress(HTTPError):
            urlopen(f"http://{group.host}:{group.port}/v1/sessions/none", timeout=30).close()
