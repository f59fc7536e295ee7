"""A trigger that refuses changes of events and commits. PostgreSQL only: SQLite has no roles (audit/retention_role.py)."""

from django.db import migrations

_TABLES = ("audit_syncevent", "audit_synccommit")
_FUNCTION = """
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted, except by the role synckairos_retention', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
"""
_TRIGGER = """
CREATE TRIGGER audit_immutable BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW
    WHEN (current_user <> 'synckairos_retention') EXECUTE FUNCTION audit_refuse_change();
"""


def add_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_FUNCTION, params=None)
        for table in _TABLES:
            schema_editor.execute(_TRIGGER.format(table=table))


def remove_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in _TABLES:
            schema_editor.execute(f"DROP TRIGGER audit_immutable ON {table}")
        schema_editor.execute("DROP FUNCTION audit_refuse_change()")


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0005_keeping'),
    ]

    operations = [migrations.RunPython(add_triggers, remove_triggers)]
