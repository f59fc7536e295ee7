#!/usr/bin/env python
"""Django's command line; `manage.py help` lists the product's own commands too."""

import os
import sys


def main() -> None:
    """Carry out a command."""
    if sys.argv[1:2] == ["probe"] and "--help" not in sys.argv:
        from synckairos import probes  # noqa: PLC0415

        found = probes.quickly(sys.argv[2:])
        if found.is_well:  # asked every few seconds, for little
            print(found.text)  # noqa: T201
            return
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
