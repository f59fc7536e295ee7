"""Our additions to a Celery worker: heartbeats, drains without a message, their end, and patience with a full broker.

When the outbox has filled the server that holds state and broker, beat cannot send the task that would empty it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from celery import bootsteps, signals
from celery.worker.consumer import Consumer
from django.db import connections

from audit import drain_pace
from audit.drain_pace import DrainPace
from audit.stop_request import StopRequest
from synckairos.ops.heartbeats import Heartbeat
from synckairos.redis import client as redis_client
from synckairos.telemetry import logs

_CHECK_INTERVAL_S = 0.5
_HEARTBEAT_INTERVAL_S = 2.0
_STOP_TIMEOUT_S = 15.0
"""Limit of the wait for the end of a running drain, which waits for the database at most."""

log = logs.get_logger(__name__)
_heartbeat = Heartbeat("worker")


@signals.worker_shutting_down.connect
def stop_drains(**_: Any) -> None:
    """End the drain that waits in a task. Celery calls this in its handler of the signal that ends the worker."""
    drain_pace.stop.make()


class DrainThread(bootsteps.StartStopStep):
    """A thread that drains while beat's messages do not arrive. It starts with the worker, before the broker
    connection; so does the heartbeat, for a worker that waits for its broker lives."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._thread = threading.Thread(target=_drain_unasked, name="drain", daemon=True)

    def start(self, worker: Any) -> None:
        """Start the thread with the worker, and send the first heartbeat."""
        _heartbeat.beat()
        self._thread.start()

    def stop(self, worker: Any) -> None:
        """Stop the thread after the transaction that is running."""
        drain_pace.stop.make()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def terminate(self, worker: Any) -> None:
        """Stop the thread like `stop` does."""
        self.stop(worker)


def _drain_unasked() -> None:
    drain_periodically(drain_pace.stop, drain_pace.pace())


def drain_periodically(stop: StopRequest, pace: DrainPace, interval_s: float = _CHECK_INTERVAL_S) -> None:
    """Drain as long as no task does, until the stop is requested."""
    while not stop.is_made():
        try:
            if pace.attempt_unasked():
                continue
            connections.close_all()  # a task drains, or the last drain has failed
        except Exception:
            # The thread has to survive: without it nothing is drained while messages do not arrive.
            log.exception("drain failed")
        stop.wait(interval_s)


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
