"""A number of a commit row up to which no row can come any more: all lower ones are written, or never will be.

Numbers are given before a transaction ends, so a transaction that lasts may write a row below others that can be seen
already. On PostgreSQL writers of commits share a lock for the length of their transaction, and whoever needs such a
number takes it alone for a moment. SQLite has one writer at a time.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import Max

from audit.models import SyncCommit

_LOCK = int.from_bytes(b"skaudit1")


def enter() -> None:
    """Share the lock until the end of this transaction. Call it before the first row of a commit is inserted."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])


def settled_id() -> int:
    """Return the highest primary key of a commit that is written, after those who write now have ended; 0 without one.

    Raises DatabaseError when a writer takes too long.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        highest: int | None = SyncCommit.objects.aggregate(highest=Max("pk"))["highest"]
        return highest or 0
