"""Whether the audit store can be reached, and has the schema that this release needs."""

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
"""Load balancers wait for their checks hardly longer than that."""


def audit_store_status() -> AuditStore:
    """How it stands. `unmigrated`: migrations of this release are not applied; a schema of a newer one is fine."""
    _release_migrations()
    try:
        return "ok" if _is_migrated.result() else "unmigrated"
    except (DatabaseFault, TimeoutError) as error:
        log.warning("audit store unreachable", error=type(error).__name__)
        return "unreachable"


@cache
def _release_migrations() -> frozenset[tuple[str, str]]:
    """The migrations of this release, as (app, name). Reads files once, and no database."""
    return frozenset(MigrationLoader(None).disk_migrations or ())


def _has_all_migrations() -> bool:
    try:
        if MigrationRecorder(connection).applied_migrations().keys() >= _release_migrations():
            return True
        executor = MigrationExecutor(connection)  # knows of squashed ones, which need not be on record
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connection.close()  # it belongs to this thread, which ends


_is_migrated = BoundedCheck("audit store", _has_all_migrations, TIMEOUT_S)
