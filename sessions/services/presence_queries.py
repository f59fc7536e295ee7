"""The presence of a session: its connected clients, over all web processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from uuid import UUID

from msgspec import Struct

from sessions.services import sessions
from sessions.store import presence_records
from sessions.store.presence_records import ClientCounts, CountsByProcess
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
    client_counts: ClientCounts
    """The participants and viewers, with their numbers of clients."""


def get(session_id: UUID, reader: Principal) -> Procedure[Present]:
    """Return the presence of a session. Raises SessionNotFound."""
    yield from sessions.get(session_id, reader)
    (counts,) = yield from perform(presence_records.load_client_counts([session_id]))
    alive = yield from perform(
        alive_processes.list_alive(keys.web_processes(), ALIVE_WITHIN_MS)
    )  # after: who has told something has come before
    return present(counts, alive)


def present(counts: CountsByProcess, alive: Container[str]) -> Present:
    """Add up the clients that the counts has of live processes."""
    viewers = 0
    clients: Counter[str] = Counter()
    for process, client_counts in counts.items():
        if process in alive:
            viewers += client_counts.viewers
            clients.update(client_counts.participants)
    connected = tuple(sorted(map(UUID, clients)))
    return Present(connected, ClientCounts(viewers, dict(sorted(clients.items()))))
