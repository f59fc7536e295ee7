"""For how many requests one counts at its caller's limit: for one, and for more where it costs more (docs/protocol.md).

What a session costs to read, decide on and tell grows with its participants; one of a hundred costs about what all the
rest of a request does. So does a body of 16 KiB that is decoded, or refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from synckairos.engine import MAX_PARTICIPANTS
from synckairos.engine.state import State
from synckairos.http.json_bounds import LARGE_BYTES

PARTICIPANTS = 100
"""So many participants count as one request; the first hundred come with the request itself."""
BATCHED = 10
"""So many sessions of a batch count as one request."""
EVENTS = 100
"""So many events of a page, or of a past state, count as one request."""


def of_participants(number: int) -> int:
    """Return the cost of a session with so many participants beyond the request itself."""
    return max(number - 1, 0) // PARTICIPANTS


def of_body(length: int) -> int:
    """Return the cost of a body of so many bytes beyond the request itself. It is known before the body is read."""
    return max(length - 1, 0) // LARGE_BYTES


def of_state(state: State) -> int:
    """Return the cost of a session that has been read, beyond the request itself."""
    return of_participants(len(state.participants))


def of_creation(participants: Any, groups: Any) -> int:
    """Return the cost of a creation beyond the request itself, by its lists, which are not validated yet."""
    lengths = [min(len(given), MAX_PARTICIPANTS) for given in (participants, groups) if isinstance(given, list | tuple)]
    return of_participants(max(lengths, default=0))


def of_states(states: Iterable[State]) -> int:
    """Return the cost of several sessions that have been read."""
    return sum(map(of_state, states))


def of_events(number: int) -> int:
    """Return the cost of a page of so many events, or of a state made from them, beyond the request itself."""
    return max(number - 1, 0) // EVENTS


def of_batch(number: int) -> int:
    """Return the cost of a batch of so many sessions beyond the request itself."""
    return max(number - 1, 0) // BATCHED
