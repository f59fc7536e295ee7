"""Every measurement there is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench import Bench
    from results import Outcome


class Measurement(Struct, frozen=True):
    """One of them; its code is in `measurements/`, under its name."""

    name: str
    what: str
    how: str
    """One line for the document."""

    def measure(self, bench: Bench) -> Awaitable[Outcome]:
        """Measure it, in a process that is attached to a stack."""
        module = import_module(f"measurements.{self.name}")
        return cast("Callable[[Bench], Awaitable[Outcome]]", module.measure)(bench)


CATALOGUE = (
    Measurement("switching", "A switch over REST", "512 sessions of two, a key to each request, one web process."),
    Measurement("socket_switch", "A switch over a socket", "One at a time, beside a REST request of the floor."),
    Measurement("fan_out", "A frame to all screens", "From its publication until the last socket has it."),
    Measurement("quizzing", "A quiz with 500 viewers", "`make load SCENARIO=quiz`, with two web processes."),
    Measurement("create_and_get", "Creating and reading", "16 connections, one web process."),
    Measurement(
        "checking", "Knowing who asks", "In the place of the floor: the product without the checks of token and rights."
    ),
    Measurement("expiring", "Deadlines", "The floor is a timer with one write to the store."),
    Measurement("draining", "The audit's drain", "The floor is plain inserts into SQLite."),
    Measurement("memory", "Memory", "Processes that have done nothing else; resident memory."),
    Measurement("starting", "Start-up", "From the first process to the line that says ready."),
    Measurement("growing", "How cost grows", "One web process unless named."),
)
"""In the order in which they are taken; what fills the store comes last."""
