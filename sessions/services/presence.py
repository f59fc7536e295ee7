"""Who is connected to a session, over all web processes."""

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

BELIEVED_MS: Duration = 5_000
"""How long a web process that is not heard of counts as alive."""


class Present(Struct, frozen=True):
    """Clients of one session, wherever they are connected."""

    connected: tuple[UUID, ...]
    """Participants with at least one client, in the order of their ids."""
    attendance: Attendance
    """Everybody."""


def of(session_id: UUID, reader: Principal) -> Procedure[Present]:
    """Who is connected. Raises SessionNotFound."""
    yield from sessions.get(session_id, reader)
    (roll,) = yield from perform(presence.rolls([session_id]))
    alive = yield from perform(
        alive_processes.list_alive(keys.webs(), BELIEVED_MS)
    )  # after: who has told something has come before
    return present(roll, alive)


def present(roll: Roll, alive: Container[str]) -> Present:
    """The living of a roll, added up."""
    viewers = 0
    clients: Counter[str] = Counter()
    for process, attendance in roll.items():
        if process in alive:
            viewers += attendance.viewers
            clients.update(attendance.participants)
    connected = tuple(sorted(map(UUID, clients)))
    return Present(connected, Attendance(viewers, dict(sorted(clients.items()))))
