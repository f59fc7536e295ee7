"""The catalogue of the places where values about persons stand in the audit.

In events and commits they stand under salted commitments (synckairos/commit_chain.py); erasure.py replaces them there
and in the columns that repeat them. The other columns belong to staff.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property, reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, TextField
from django.db.models.functions import Cast

from audit.models import (
    SyncCommit,
    SyncErasure,
    SyncEvent,
    SyncHold,
    SyncLabel,
    SyncParticipant,
    SyncPruned,
    SyncSession,
    SyncSnapshot,
)
from audit.projections import portions
from synckairos import commit_chain
from synckairos.auth.names import ERASED_TEXT
from synckairos.conf import conf
from synckairos.engine.units import Json
from synckairos.ids import parse_uuid
from synckairos.keyed_hash import hashed

SESSION_NAMES: tuple[str, ...] = ("created_by", "owner")
"""Columns of SyncSession that repeat a name of the history; erasure.py knows the text in the place of each."""
MADE_OF_METADATA: tuple[type[Model], ...] = (SyncLabel,)
"""Models whose rows repeat metadata of their session; an erasure of the metadata deletes them."""
MADE_OF_EVENTS: tuple[type[Model], ...] = (SyncSnapshot,)
"""Models whose rows hold whole states of their session; an erasure deletes them, and they can be made again."""
STAFF_COLUMNS: tuple[tuple[type[Model], str], ...] = (
    (SyncHold, "by"),
    (SyncPruned, "pruned_by"),
    (SyncErasure, "by"),
)
"""Columns with the name of who has run a command or used the admin."""
STAFF_TEXTS: tuple[tuple[type[Model], str], ...] = ((SyncHold, "reason"),)
"""Columns with free text of staff, which may mention a person."""
_DISTINCTIVE = 4
"""Characters that a distinctive user id has at least."""
_RANGE = 50_000
"""Rows that one statement of the search reads, within a second."""


class Person:
    """A person whose values are looked for, by user id."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id

    @cached_property
    def _word(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w){re.escape(self.user_id)}(?!\w)")

    @cached_property
    def person_hash(self) -> bytes:
        """Return the keyed hash of the user id, by which an erasure is recorded."""
        return hashed(f"person\0{self.user_id}")

    def is_mentioned(self, text: str) -> bool:
        """Return true for a text with the user id as a whole word."""
        return self._word.search(text) is not None

    @cached_property
    def is_distinctive(self) -> bool:
        """Return true for a user id that is hardly a word of anything else: with letters and other characters."""
        text = self.user_id
        return len(text) >= _DISTINCTIVE and any(map(str.isalpha, text)) and not text.isalpha()

    def may_be_meant(self, *, is_related: bool) -> bool:
        """Return true when the user id as a word of a free text means the person: in a session in which the person has
        a part, or when it is distinctive."""
        return is_related or self.is_distinctive

    def is_named_in(self, metadata: Json, *, is_related: bool) -> bool:
        """Return true for metadata that name the person, under the keys of SYNCKAIROS_PERSONAL_METADATA."""
        chosen = conf().personal_metadata
        if "*" in chosen:
            return self.may_be_meant(is_related=is_related) and self._is_in(metadata)
        return any(self._is_in(value) for key, value in _entries(metadata) if key in chosen)

    def _is_in(self, value: Any) -> bool:
        if isinstance(value, dict):
            return any(self._is_in(part) for pair in value.items() for part in pair)
        if isinstance(value, list | tuple):
            return any(map(self._is_in, value))
        return isinstance(value, str) and self.is_mentioned(value)

    def as_json(self) -> set[str]:
        """Return the user id as it may stand in the text of a JSON column."""
        return {json.dumps(self.user_id)[1:-1], json.dumps(self.user_id, ensure_ascii=False)[1:-1]}


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all keys with their values, at any depth."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key, part
            yield from _entries(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _entries(part)


def sessions_of(person: Person) -> list[UUID]:
    """Return the ids of the sessions in which the person may stand.

    Rows of events and commits are read in ranges of keys, since a seat that was given to another has no index.
    """
    user_id = person.user_id
    named = reduce(or_, (Q(**{name: user_id}) for name in SESSION_NAMES))
    found = set(SyncSession.objects.filter(named).values_list("pk", flat=True))
    found |= set(SyncParticipant.objects.filter(user_id=user_id).values_list("session_id", flat=True))
    found |= _searched(SyncCommit, Q(principal=user_id))
    in_data = Q(pk__in=[])
    for text in person.as_json():
        in_data |= Q(text__contains=text)
    found |= _searched(SyncEvent, Q(principal=user_id) | (Q(type__in=commit_chain.PERSONAL_TYPES) & in_data))
    ids = {
        session_id
        for some in portions(sorted(found))
        for session_id in SyncSession.objects.filter(pk__in=some).values_list("session_id", flat=True)
    }
    return sorted(ids)


def _searched(model: Any, wanted: Q) -> set[int]:
    first, last = (model.objects.order_by(order).values_list("pk", flat=True).first() for order in ("pk", "-pk"))
    found: set[int] = set()
    if first is None:
        return found
    rows = model.objects.annotate(text=Cast("data", TextField())) if model is SyncEvent else model.objects
    for start in range(first, last + 1, _RANGE):
        some = rows.filter(wanted, pk__gte=start, pk__lt=start + _RANGE)
        found.update(some.order_by().values_list("session_id", flat=True).distinct())
    return found


def seats_by_id(person: Person) -> int:
    """Return the number of seats that are the person's by their participant id alone. These ids stay."""
    participant_id = parse_uuid(person.user_id)
    if participant_id is None:
        return 0
    return SyncParticipant.objects.filter(participant_id=participant_id).count()


def erase_from_staff_columns(person: Person) -> int:
    """Replace the person's name where staff are named, and return the number of values."""
    erased = 0
    for model, name in STAFF_COLUMNS:
        erased += model.objects.filter(**{name: person.user_id}).update(**{name: ERASED_TEXT})  # type: ignore[attr-defined]
    for model, name in STAFF_TEXTS:
        rows = model.objects.filter(**{f"{name}__contains": person.user_id})  # type: ignore[attr-defined]
        for pk, text in rows.values_list("pk", name):
            if person.is_mentioned(text):
                erased += model.objects.filter(pk=pk).update(**{name: ERASED_TEXT})  # type: ignore[attr-defined]
    return erased
