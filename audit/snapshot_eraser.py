"""Snapshots that hold a person after the erasure of the rows: those of commits that were made meanwhile.

No event leads to them, so their bytes are searched. They are deleted, for replay does without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.models import BinaryField, F, Func, IntegerField, Value
from msgspec import Struct

from audit.erasure import UnderHold
from audit.models import SyncSession, SyncSnapshot
from audit.personal_values import Person
from audit.pruning import raw_delete
from audit.retention_role import retention
from synckairos.engine.state import State
from synckairos.stored_state import Unreadable, decode_state

_RANGE = 50_000
"""Rows that one statement of the search reads."""


class Found(Struct, frozen=True):
    """A snapshot with the user id somewhere in its bytes."""

    pk: int
    session_id: UUID
    state: State | None
    """None when it cannot be read."""


class _Position(Func):
    """The position of bytes in a binary column; 0 when they are not in it."""

    function = "POSITION"
    arg_joiner = " IN "
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        copy = self.copy()
        copy.set_source_expressions(self.get_source_expressions()[::-1])
        return copy.as_sql(compiler, connection, function="INSTR", arg_joiner=", ", **context)


def find(person: Person) -> Iterator[Found]:
    """Yield the snapshots with the user id in their bytes. It may be a part of another name, or a word of metadata."""
    needle = Value(person.user_id.encode(), output_field=BinaryField())
    rows = SyncSnapshot.objects.annotate(position=_Position(needle, F("state"))).filter(position__gt=0)
    first, last = (SyncSnapshot.objects.order_by(order).values_list("pk", flat=True).first() for order in ("pk", "-pk"))
    if first is None or last is None:
        return
    for start in range(first, last + 1, _RANGE):
        some = rows.filter(pk__gte=start, pk__lt=start + _RANGE).order_by("pk")
        for pk, session_id, data in some.values_list("pk", "session__session_id", "state").iterator():
            yield Found(pk, session_id, _decoded(bytes(data)))


def _decoded(data: bytes) -> State | None:
    try:
        return decode_state(data)
    except Unreadable:
        return None


def delete(session_id: UUID, keys: Sequence[int]) -> None:
    """Delete snapshots of a session by their primary keys. Raises UnderHold, and then has changed nothing."""
    with retention():
        epochs = SyncSession.objects.select_for_update().filter(session_id=session_id).order_by("pk")
        if any(session.legal_hold for session in epochs):
            raise UnderHold
        raw_delete(SyncSnapshot.objects.filter(pk__in=keys))
