"""Check of the audit store: its connection, and whether it has the schema of this release."""

from __future__ import annotations

from functools import cache
from typing import Literal, TypeAlias

from django.db import Error as DatabaseFault
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from synckairos.ops.bounded_check import BoundedCheck
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

AuditStore: TypeAlias = Literal["ok", "unmigrated", "unreachable"]

TIMEOUT_S = 1.0
"""Seconds; load balancers hardly wait longer for a health check."""


def audit_store_status() -> AuditStore:
    """Return the status of the audit store. `unmigrated`: it lacks migrations of this release; the schema of a newer
    release is accepted."""
    _release_migrations()
    try:
        return "ok" if _is_migrated.result() else "unmigrated"
    except (DatabaseFault, TimeoutError) as error:
        log.warning("audit store unreachable", error=type(error).__name__)
        return "unreachable"


@cache
def _release_migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations of this release as (app, name). Reads files once, and no database."""
    return frozenset(MigrationLoader(None).disk_migrations or ())


def _has_all_migrations() -> bool:
    try:
        if MigrationRecorder(connection).applied_migrations().keys() >= _release_migrations():
            return True
        executor = MigrationExecutor(connection)  # knows squashed migrations, which need no record
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connection.close()  # connections belong to a thread, and this one ends


_is_migrated = BoundedCheck("audit store", _has_all_migrations, TIMEOUT_S)
