"""Pages of the rows that each commit updates keep room for the new versions, so that their indexes stay as they are.

PostgreSQL then makes heap-only updates (https://www.postgresql.org/docs/15/storage-hot.html).
"""

from django.db import migrations

_TABLES = ("audit_syncsession", "audit_syncparticipant")
_FILLED_PERCENT = 50


def leave_room(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in _TABLES:
            schema_editor.execute(f"ALTER TABLE {table} SET (fillfactor = {_FILLED_PERCENT})")


def fill_up(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in _TABLES:
            schema_editor.execute(f"ALTER TABLE {table} RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_lists_filled")]

    operations = [migrations.RunPython(leave_room, fill_up)]
