"""The erasure of a person's values from events, which follows the seats of a session from event to event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from audit.personal_values import Person
from synckairos import commit_chain
from synckairos.engine.events import Event, ParticipantAdded, ParticipantAssigned, SessionCreated

_PARTICIPANTS = ("participant_id", "from_participant_id", "to_participant_id")
"""Fields of events that name the participants that they are about."""


class EventEraser(commit_chain.Salts):
    """Salts with which `commit_chain.sealed` replaces the person's values only, and leaves all others as they are.

    The values are the user id, as a participant or the owner, the metadata of sessions that the person owns or is named
    in, and the reasons in events by or about the person, or with the user id in them.
    """

    def __init__(self, person: Person) -> None:
        super().__init__()
        self._person = person
        self._is_creator = self._is_related = False
        self._is_owner = False
        self._reason: str | None = None
        """The reason of the present event, when it is to be erased."""
        self._seats: dict[UUID, str | None] = {}
        """The user id of each participant, before the erasure."""
        self.shown: dict[UUID, str | None] = {}
        """The user id of each participant, after the erasure."""
        self.owner = ""
        """The text in the place of the owner's name, once it was erased."""
        self.has_erased_metadata = False
        """True once metadata of this epoch were erased."""
        self.kept: list[bytes] = []
        """The salts of the events of this commit that are left; zeros for those that are erased."""
        self.erased = 0
        """The number of values of this commit that are erased."""

    def begin(self, seats: Mapping[UUID, str | None], creator: str, *, is_related: bool, continues: bool) -> None:
        """Begin with another epoch. `seats` are those of participants without an earlier event; `is_related` is true
        when the person has a part in the epoch, and `continues` when it goes on from the one before."""
        self._is_creator, self._is_related = creator == self._person.user_id, is_related
        self._seats = {**seats, **self._seats}
        self.has_erased_metadata = self.has_erased_metadata and continues  # labels repeat them

    def use(self, salts: Iterator[bytes] | None) -> None:
        """Begin with another commit, with the salts of its events; None for one without."""
        self._given = salts
        self.kept, self.erased = [], 0

    def erase(self, event: Event, by: str) -> Event:
        """Return the event of a principal with commitments in place of the person's values; the event itself without
        any. Raises StopIteration when salts are missing."""
        before = self.erased
        self._is_owner = isinstance(event, SessionCreated) and (
            event.access.owner == self._person.user_id or self._is_creator
        )
        reason = getattr(event, "reason", None)
        is_personal = reason is not None and (
            by == self._person.user_id
            or self._is_about(event)
            or (self._person.may_be_meant(is_related=self._is_related) and self._person.is_mentioned(reason))
        )
        self._reason = reason if is_personal else None
        _follow(event, self._seats)
        erased = commit_chain.sealed(event, self)
        _follow(erased, self.shown)
        if isinstance(event, SessionCreated) and isinstance(erased, SessionCreated):
            if erased.access.owner != event.access.owner:
                self.owner = erased.access.owner
            self.has_erased_metadata |= erased.config.metadata != event.config.metadata
        return event if self.erased == before else erased

    def _is_about(self, event: Event) -> bool:
        """Return true when a participant of the event is the person, before or after it."""
        concerned = [getattr(event, name, None) for name in _PARTICIPANTS]
        user_ids = [self._user_id_of(participant) for participant in concerned if participant is not None]
        return self._person.user_id in [*user_ids, getattr(event, "user_id", None)]

    def _user_id_of(self, participant_id: UUID) -> str:
        """Return the person of a participant, which is the participant's id when nobody was named."""
        user_id = self._seats.get(participant_id)
        return str(participant_id) if user_id is None else user_id

    def commit(self, value: Any) -> Any:
        """Return the commitment to a value that is to be erased, and any other value unchanged."""
        salt = commit_chain.new_salt() if self._given is None else next(self._given)
        if salt == commit_chain.ERASED or not self._is_personal(value):
            self.kept.append(salt)
            return value
        self.kept.append(commit_chain.ERASED)
        self.erased += 1
        text = commit_chain.commitment_text(salt, value)
        return {"commitment": text} if isinstance(value, dict) else text

    def _is_personal(self, value: Any) -> bool:
        if isinstance(value, dict):
            is_erased = set(value) == {"commitment"}
            return not is_erased and (self._is_owner or self._person.is_named_in(value, is_related=self._is_related))
        return value == self._person.user_id or value is self._reason


def has_part(event: Event, user_id: str) -> bool:
    """Return true for an event that makes a person the owner or a participant."""
    match event:
        case SessionCreated():
            return user_id in {event.access.owner, *(p.user_id for p in event.participants)}
        case ParticipantAdded():
            return event.participant.user_id == user_id
        case ParticipantAssigned():
            return event.user_id == user_id
        case _:
            return False


def _follow(event: Event, seats: dict[UUID, str | None]) -> None:
    match event:
        case SessionCreated():
            seats.update((p.participant_id, p.user_id) for p in event.participants)
        case ParticipantAdded():
            seats[event.participant.participant_id] = event.participant.user_id
        case ParticipantAssigned():
            seats[event.participant_id] = event.user_id
        case _:
            pass
