"""Preparation before the first process serves: the schema, and an admin user. It prints JSON on standard output, for
up.py: the admin's password and a token to try the API with."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys

import options

ADMIN = "admin"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another
_GROUPS, _GROUP_LENGTH = 3, 5


def main() -> None:
    """Do what is missing, and print the result."""
    import django  # noqa: PLC0415  # its settings are read on import

    django.setup()
    if options.environment.IN_PRODUCTION:
        _check_store()
    with contextlib.redirect_stdout(sys.stderr):
        _migrate()
    told = {}
    if not options.environment.IN_PRODUCTION:
        told = {"password": _admin_password(), "token": _token()}
    sys.stdout.write(json.dumps(told))


def _check_store() -> None:
    """Check the store once, before each process refuses it again and again."""
    from synckairos.ops import durability  # noqa: PLC0415

    durability.require_durable_store()


def _migrate() -> None:
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def _admin_password() -> str | None:
    """Return the admin's password; None when another person made that user."""
    from django.contrib.auth.models import User  # noqa: PLC0415

    path = options.environment.DATA_DIR / "admin_password"
    if not User.objects.filter(username=ADMIN).exists():
        if not path.exists():
            groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("-".join(groups))
        User.objects.create_superuser(ADMIN, password=path.read_text())
    return path.read_text() if path.exists() else None


def _token() -> str:
    from synckairos.auth.principal import mint  # noqa: PLC0415

    token: str = mint("demo", is_staff=True)
    return token


if __name__ == "__main__":
    main()
