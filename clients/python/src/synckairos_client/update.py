"""What an application is given."""

from __future__ import annotations

from dataclasses import dataclass

from synckairos_client.frames import Event, State


@dataclass(frozen=True, slots=True)
class Update:
    """Something has changed: the newest of everything, and what happened since the last update."""

    state: State | None = None
    """The newest state, whole; None while the session does not exist."""
    presence: tuple[str, ...] = ()
    """Participants that have a client connected."""
    is_connected: bool = False
    """Whether changes arrive; while they do not, the clock counts on by itself."""
    events: tuple[Event, ...] = ()
    """What happened, in order, each once, by `epoch` and `sequence`. May lag behind `state` while a gap is closed."""
    is_new_session: bool = False
    """The state is of a session not shown before: the first one, or one made anew under the same id."""
    resynced: bool = False
    """The server could not tell all events any more: some are missing, the state is whole."""
    dropped: bool = False
    """The application was slow: its oldest waiting events were dropped, the state is whole."""
