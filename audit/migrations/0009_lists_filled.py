"""The columns of lists in rows from before there were lists.

They are filled in portions, each in a transaction of its own: no lock is held for long, and a migration that was
interrupted goes on when it is run again.
"""

from django.db import migrations

PORTION = 10_000
"""Rows that one statement reads."""
_OWNERS = """
UPDATE audit_syncsession SET owner = created_by
WHERE id >= %s AND id < %s AND owner = '' AND visibility = '' AND created_by <> ''
"""  # before lists, the creator was always the owner; rows that were written since have a visibility
_CREATIONS = """
UPDATE audit_syncparticipant SET created_at = (
    SELECT audit_syncsession.created_at FROM audit_syncsession
    WHERE audit_syncsession.id = audit_syncparticipant.session_id
)
WHERE id >= %s AND id < %s AND created_at IS NULL
"""


def fill(apps, schema_editor):
    """Fill the columns of all rows in which they are empty."""
    connection = schema_editor.connection
    for table, statement in (("audit_syncsession", _OWNERS), ("audit_syncparticipant", _CREATIONS)):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT MIN(id), MAX(id) FROM {table}")
            first, last = cursor.fetchone()
            if first is None:
                continue
            for start in range(first, last + 1, PORTION):
                cursor.execute(statement, [start, start + PORTION])


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('audit', '0008_snapshots'),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
