"""The beginning of a process that a command starts for work on models. It imports none: they come with the setup."""

from __future__ import annotations

import signal

import django


def begin() -> None:
    """Prepare Django. A terminal sends its interrupt to all processes; the one that started this ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    django.setup()
