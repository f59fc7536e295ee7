"""What a Celery worker of ours does beyond Celery's own: it drains by itself, and it outlives a broker that is full.

Celery's broker is on the same server as the state. When the outbox has filled that server, beat cannot send the task
that would empty it, so nobody must have to ask.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from celery import bootsteps
from celery.worker.consumer import Consumer
from django.db import connections

from audit.drain_pace import Pace, pace
from synckairos.redis import client as stores
from synckairos.telemetry import logs

IDLE_S = 3.0
"""How long nobody has asked this worker to drain before it does so unasked."""
_LOOK_EVERY_S = 1.0
_END_WITHIN_S = 15.0
"""A drain ends after 10 s by itself."""

log = logs.get_logger(__name__)


class Unasked(bootsteps.StartStopStep):
    """A thread that drains when beat's messages do not come. It starts with the worker, before the broker is there."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=drain_until, args=(self._has_ended, pace), name="drain", daemon=True)

    def start(self, worker: Any) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, worker: Any) -> None:
        """End, when what is in hand is done."""
        self._has_ended.set()
        if self._thread.is_alive():
            self._thread.join(_END_WITHIN_S)

    def terminate(self, worker: Any) -> None:
        """The same."""
        self.stop(worker)


def drain_until(has_ended: threading.Event, pace: Pace, every_s: float = _LOOK_EVERY_S) -> None:
    """Drain whenever nobody has for a while, until told to end."""
    while not has_ended.is_set():
        try:
            if pace.attempt(if_idle_s=IDLE_S):
                connections.close_all()
        except Exception:
            # Without this thread nothing is drained while messages do not come.
            log.exception("drain failed")
        has_ended.wait(every_s)


class PatientConsumer(Consumer):
    """Tries the broker once a second while it is full, and says so once."""

    _said = False

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery connects anew when this returns."""
        self._said = False
        super().on_connection_error_after_connected(exc)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Celery tries again when this returns."""
        if not stores.is_full(exc):
            super().on_connection_error_before_connected(exc)
            return
        if not self._said:
            log.warning("the broker is full, tasks wait until there is room; the drain goes on without it")
        self._said = True
        time.sleep(1.0)
