#!/usr/bin/env python
"""Django's command line; `manage.py help` lists the product's own commands too."""

import os
import sys
from importlib import import_module

_WITHOUT_SETTINGS = ("make_signing_key",)
"""Commands that only compute: they need no variable, and leave nothing behind."""


def main() -> None:
    """Carry out a command."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "probe" and "--help" not in sys.argv:
        from synckairos.ops import probes  # noqa: PLC0415

        found = probes.probe_from_arguments(sys.argv[2:])
        if found.is_healthy:  # asked every few seconds, for little
            print(found.text)  # noqa: T201
            return
    if name in _WITHOUT_SETTINGS:
        from django.conf import settings  # noqa: PLC0415

        settings.configure()
        import_module(f"sessions.management.commands.{name}").Command().run_from_argv(sys.argv)
        return
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
