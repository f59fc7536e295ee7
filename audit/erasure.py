"""The erasure of a person from the rows of one session, in one transaction.

Each value gives place to its commitment, and its salt to zeros: the chain stays true, the history replays, and nothing
leads back to the value. A value of a release without a chain gives place to a commitment under a salt that is kept
nowhere. See docs/operations.md#erasing-a-person.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from uuid import UUID

import msgspec
from django.db.models import Q
from msgspec import Struct, field

from audit import bulk
from audit.event_eraser import EventEraser, has_part
from audit.models import SyncCommit, SyncEvent, SyncParticipant, SyncSession
from audit.personal_values import MADE_OF_EVENTS, MADE_OF_METADATA, SESSION_NAMES, Person
from audit.pruning import raw_delete
from audit.retention_role import retention
from audit.row_mapping import data_text
from synckairos import commit_chain
from synckairos.engine.event_data import rebuild
from synckairos.engine.events import Event
from synckairos.instants import from_datetime

_SIZE = commit_chain.SALT_BYTES


class UnderHold(Exception):
    """The session is under legal hold, and nothing in it may be erased."""


class Unreadable(Exception):
    """This release cannot read an event of the session, so its values cannot be told."""


class Erased(Struct):
    """The number of session rows and of values in them that were erased."""

    sessions: int = 0
    values: int = 0


class _Changes(Struct):
    """The new values of rows, each after the primary key."""

    names: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """New values of SESSION_NAMES, by column."""
    touched: list[int] = field(default_factory=list)
    """Primary keys of all epochs of a session in which a value is erased."""
    without_metadata: list[int] = field(default_factory=list)
    """Primary keys of the sessions whose metadata are erased."""
    participants: list[tuple[int, str]] = field(default_factory=list)
    commits: list[tuple[int, str, bytes]] = field(default_factory=list)
    principals: list[tuple[int, str]] = field(default_factory=list)
    data: list[tuple[int, str]] = field(default_factory=list)


def erase(session_id: UUID, person: Person) -> Erased:
    """Erase a person from all epochs of a session; nothing is left to do for a second call.

    Raises UnderHold and Unreadable, and then has changed nothing.
    """
    with retention():
        epochs = list(SyncSession.objects.select_for_update().filter(session_id=session_id).order_by("pk"))
        erasure, result = _Erasure(person), Erased()
        for session in epochs:
            values = erasure.erase(session)
            result.sessions += bool(values)
            result.values += values
        if result.values:  # the state of a restored epoch repeats values of the events before it
            erasure.changes.touched = [session.pk for session in epochs]
        if result.values and any(session.legal_hold for session in epochs):  # an epoch that came later has none
            raise UnderHold
        _write(erasure.changes)
    return result


def _write(changes: _Changes) -> None:
    bulk.update(SyncCommit, ["principal", "salts"], changes.commits)
    bulk.update(SyncEvent, ["principal"], changes.principals)
    bulk.update(SyncEvent, ["data"], changes.data)
    bulk.update(SyncParticipant, ["user_id"], changes.participants)
    for name, rows in changes.names.items():
        bulk.update(SyncSession, [name], rows)
    for model in MADE_OF_METADATA:
        raw_delete(model.objects.filter(session_id__in=changes.without_metadata))  # type: ignore[attr-defined]
    for model in MADE_OF_EVENTS:
        raw_delete(model.objects.filter(session_id__in=changes.touched))  # type: ignore[attr-defined]


def _without_salt(person: Person) -> str:
    """Return a text in the place of a name for which there is no salt."""
    return commit_chain.commitment_text(commit_chain.new_salt(), person.user_id)


class _Erasure:
    """The erasure from the epochs of one session, one after the other: a restored one goes on with the same seats."""

    def __init__(self, person: Person) -> None:
        self.changes = _Changes()
        self._person = person
        self._events = EventEraser(person)
        self._creator = ""
        """The text in the place of the creator's name; empty until it is known."""

    def erase(self, session: SyncSession) -> int:
        """Add the changes of one epoch, and return the number of its values."""
        participants = list(SyncParticipant.objects.filter(session=session))
        user_id = self._person.user_id
        try:
            events = _personal_events(session)
            is_related = (
                user_id in {session.created_by, *(p.user_id for p in participants)}
                or any(has_part(event, user_id) for _, event in events)
                or SyncCommit.objects.filter(session=session, principal=user_id).exists()
                or SyncEvent.objects.filter(session=session, principal=user_id).exists()
            )
            seats = {p.participant_id: p.user_id for p in participants}
            self._events.begin(seats, session.created_by, is_related=is_related, continues=bool(session.parent_epoch))
            values = self._erase_commits(session, events)
        except (KeyError, ValueError, RuntimeError, StopIteration, msgspec.ValidationError) as error:
            raise Unreadable(type(error).__name__) from None
        for row in participants:
            if row.user_id == user_id:
                text = self._events.shown.get(row.participant_id) or _without_salt(self._person)
                self.changes.participants.append((row.pk, text))
                values += 1
        for name in SESSION_NAMES:
            if getattr(session, name) == user_id:
                text = self._text_for(name)
                self.changes.names.setdefault(name, []).append((session.pk, text))
                values += 1
        if self._events.has_erased_metadata:
            self.changes.without_metadata.append(session.pk)
        return values

    def _text_for(self, name: str) -> str:
        """Return the text in the place of the person's name in a column of a session."""
        known = {"created_by": self._creator, "owner": self._events.owner}
        return known[name] or _without_salt(self._person)

    def _erase_commits(self, session: SyncSession, personal: list[tuple[SyncEvent, Event]]) -> int:
        """Add the changes of commits and events, and return the number of values."""
        user_id = self._person.user_id
        own = SyncEvent.objects.filter(session=session, principal=user_id).order_by("sequence")
        by_version = {version: list(some) for version, some in groupby(personal, lambda one: one[0].commit_version)}
        wanted = Q(principal=user_id) | Q(version__in=[version for version in by_version if version is not None])
        texts: dict[int | None, str] = {}
        values = 0
        for commit in SyncCommit.objects.filter(wanted, session=session).order_by("version"):
            salts = _salts_of(commit)
            principal, salt = commit.principal, next(salts, None)
            if principal == user_id:
                principal = texts[commit.version] = (
                    _without_salt(self._person) if salt is None else commit_chain.commitment_text(salt, user_id)
                )
                salt = None if salt is None else commit_chain.ERASED
                values += 1
            events = by_version.pop(commit.version, [])
            kept, erased = self._erase_events(events, salts if salt is not None else None)
            values += erased
            if erased or commit.version in texts:
                new_salts = b"" if salt is None else b"".join([salt, *kept, *salts])
                self.changes.commits.append((commit.pk, principal, new_salts))
        for events in by_version.values():
            values += self._erase_events(events, None)[1]
        unchained = _without_salt(self._person)
        for pk, version, kind in own.values_list("pk", "commit_version", "type"):
            text = texts.get(version, unchained)
            self.changes.principals.append((pk, text))
            if kind == "session.created":
                self._creator = text
            values += 1
        return values

    def _erase_events(
        self, events: list[tuple[SyncEvent, Event]], salts: Iterator[bytes] | None
    ) -> tuple[list[bytes], int]:
        """Add the changes of the events of one commit; return the salts that are left, and the number of values."""
        self._events.use(salts)
        for row, event in events:
            erased = self._events.erase(event, by=row.principal)
            if erased is not event:
                self.changes.data.append((row.pk, data_text(erased)))
        return self._events.kept, self._events.erased


def _personal_events(session: SyncSession) -> list[tuple[SyncEvent, Event]]:
    """Return the events that can hold values about persons, in order, each with its row."""
    rows = SyncEvent.objects.filter(session=session, type__in=commit_chain.PERSONAL_TYPES).order_by("sequence")
    return [
        (row, rebuild(row.type, sequence=row.sequence, version=row.version, at_ms=from_datetime(row.at), data=row.data))
        for row in rows
    ]


def _salts_of(commit: SyncCommit) -> Iterator[bytes]:
    salts = bytes(commit.salts)
    return (salts[start : start + _SIZE] for start in range(0, len(salts), _SIZE))
