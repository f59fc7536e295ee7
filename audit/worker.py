"""Our additions to a Celery worker: heartbeats, drains without a message, and patience with a full broker.

When the outbox has filled the server that holds state and broker, beat cannot send the task that would empty it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from celery import bootsteps
from celery.worker.consumer import Consumer
from django.db import connections

from audit.drain_pace import DrainPace, pace
from synckairos.ops.heartbeats import Heartbeat
from synckairos.redis import client as redis_client
from synckairos.telemetry import logs

IDLE_S = 3.0
"""Time without a drain after which the worker starts one by itself."""
_CHECK_INTERVAL_S = 1.0
_HEARTBEAT_INTERVAL_S = 2.0
_STOP_TIMEOUT_S = 15.0
"""Limit of the wait for a running drain, which ends after 10 s by itself."""

log = logs.get_logger(__name__)
_heartbeat = Heartbeat("worker")


class DrainThread(bootsteps.StartStopStep):
    """A thread that drains while beat's messages do not arrive. It starts with the worker, before the broker
    connection; so does the heartbeat, for a worker that waits for its broker lives."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stop_requested = threading.Event()
        self._thread = threading.Thread(
            target=drain_periodically, args=(self._stop_requested, pace), name="drain", daemon=True
        )

    def start(self, worker: Any) -> None:
        """Start the thread with the worker, and send the first heartbeat."""
        _heartbeat.beat()
        self._thread.start()

    def stop(self, worker: Any) -> None:
        """Stop the thread after the drain that is running."""
        self._stop_requested.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def terminate(self, worker: Any) -> None:
        """Stop the thread like `stop` does."""
        self.stop(worker)


def drain_periodically(stop_requested: threading.Event, pace: DrainPace, interval_s: float = _CHECK_INTERVAL_S) -> None:
    """Drain whenever no drain has run for a while, until `stop_requested` is set."""
    while not stop_requested.is_set():
        try:
            if pace.attempt(if_idle_s=IDLE_S):
                connections.close_all()
        except Exception:
            # The thread has to survive: without it nothing is drained while messages do not arrive.
            log.exception("drain failed")
        stop_requested.wait(interval_s)


class HeartbeatStep(bootsteps.StartStopStep):
    """The heartbeat of a worker, from its own event loop between tasks. A loop that is stuck sends none.

    It is a step of the consumer, which starts again with each connection to the broker.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Send a heartbeat every two seconds, the first at once."""
        _heartbeat.beat()
        self._timer = parent.timer.call_repeatedly(_HEARTBEAT_INTERVAL_S, _heartbeat.beat)

    def stop(self, parent: Any) -> None:
        """Stop the heartbeats of this connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BrokerRetryConsumer(Consumer):
    """Retries the connection to a full broker once a second, and logs this once."""

    _is_logged = False

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Reset the log; Celery reconnects when this returns."""
        self._is_logged = False
        super().on_connection_error_after_connected(exc)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait while the broker is full; Celery retries when this returns."""
        if not redis_client.is_full(exc):
            super().on_connection_error_before_connected(exc)
            return
        if not self._is_logged:
            log.warning("the broker is full, tasks wait until there is room; the drain goes on without it")
        self._is_logged = True
        time.sleep(1.0)
