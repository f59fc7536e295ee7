"""The role that may change and delete events and commits on PostgreSQL: a trigger refuses it to everybody else.

The trigger is in audit/migrations/0006_immutable_rows.py. `manage.py migrate` makes the role and gives it its
privileges, where the user of the database may do so; otherwise see docs/operations.md. SQLite knows no roles, so
nothing is refused there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection, connections, transaction

from synckairos.telemetry import logs

ROLE = "synckairos_retention"
_MAKE_ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- made at the same moment for another database of this server
END
$$
"""
_GRANT_ROLE = f"""
DO $$
BEGIN
    IF NOT pg_has_role(session_user, '{ROLE}', 'MEMBER') THEN
        EXECUTE format('GRANT {ROLE} TO %I', session_user);
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$
"""

log = logs.get_logger(__name__)


class RoleMissing(Exception):
    """The user of the database may not act as the retention role, or the role does not exist."""


@contextmanager
def retention() -> Iterator[None]:
    """Run a transaction in which events and commits may be changed and deleted.

    Within it the privileges are those of the role: on the tables of the audit only, all but TRUNCATE. Raises
    RoleMissing when the role cannot be taken.
    """
    with transaction.atomic():
        if connection.vendor != "postgresql":
            yield
            return
        _take_role()
        yield
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")  # for the rest of an outer transaction; a rollback does it by itself


def _take_role() -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {ROLE}")
    except DatabaseError as error:
        raise RoleMissing(f"The role {ROLE} cannot be taken: see docs/operations.md.") from error


def make_role(using: str, **_: Any) -> None:
    """Make the role, make the current user a member, and grant it the tables of the audit; log what is not permitted.

    It is a receiver of Django's `post_migrate`, so that tables of later migrations are granted too.
    """
    database = connections[using]
    if database.vendor != "postgresql":
        return
    quote = database.ops.quote_name
    models = apps.get_app_config("audit").get_models()
    tables = {model._meta.db_table for model in models} & set(database.introspection.table_names())  # noqa: SLF001 - public in spite of its name
    if not tables:
        return
    try:
        with transaction.atomic(using), database.cursor() as cursor:
            cursor.execute(_MAKE_ROLE)
            cursor.execute(_GRANT_ROLE)
            cursor.execute("SELECT current_schema()")
            cursor.execute(f"GRANT USAGE ON SCHEMA {quote(cursor.fetchone()[0])} TO {ROLE}")
            cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(map(quote, sorted(tables)))} TO {ROLE}")
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", None)
        log.warning("the role for retention could not be made: see docs/operations.md", role=ROLE, sqlstate=state)
