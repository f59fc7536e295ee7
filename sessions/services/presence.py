"""The presence of a session: its connected clients, over all web processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from uuid import UUID

from msgspec import Struct

from sessions.services import sessions
from sessions.store import presence
from sessions.store.presence import Attendance, Roll
from synckairos.auth.principal import Principal
from synckairos.engine.units import Duration
from synckairos.ops import alive_processes
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform

ALIVE_WITHIN_MS: Duration = 5_000
"""The time for which a web process counts as alive after its last report."""


class Present(Struct, frozen=True):
    """The clients of one session at all web processes."""

    connected: tuple[UUID, ...]
    """Participants with at least one client, in the order of their ids."""
    attendance: Attendance
    """The participants and viewers, with their numbers of clients."""


def get(session_id: UUID, reader: Principal) -> Procedure[Present]:
    """Return the presence of a session. Raises SessionNotFound."""
    yield from sessions.get(session_id, reader)
    (roll,) = yield from perform(presence.rolls([session_id]))
    alive = yield from perform(
        alive_processes.list_alive(keys.web_processes(), ALIVE_WITHIN_MS)
    )  # after: who has told something has come before
    return present(roll, alive)


def present(roll: Roll, alive: Container[str]) -> Present:
    """Add up the clients that the roll has of live processes."""
    viewers = 0
    clients: Counter[str] = Counter()
    for process, attendance in roll.items():
        if process in alive:
            viewers += attendance.viewers
            clients.update(attendance.participants)
    connected = tuple(sorted(map(UUID, clients)))
    return Present(connected, Attendance(viewers, dict(sorted(clients.items()))))
