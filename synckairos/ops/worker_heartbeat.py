"""Heartbeat of a Celery worker, from its own event loop between tasks. A loop that is stuck sends none."""

from __future__ import annotations

from typing import Any

from celery.bootsteps import StartStopStep

from synckairos.ops.heartbeats import Heartbeat

_EVERY_S = 2.0


class HeartbeatStep(StartStopStep):
    """A step of the worker's consumer, which starts again with each connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._heartbeat = Heartbeat("worker")
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Send the first heartbeat, and one every two seconds."""
        self._heartbeat.beat()
        self._timer = parent.timer.call_repeatedly(_EVERY_S, self._heartbeat.beat)

    def stop(self, parent: Any) -> None:
        """Stop the heartbeats of this connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
