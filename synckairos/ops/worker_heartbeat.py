"""A worker's signs of life: given by its own loop, between tasks, so that a loop which is stuck gives none."""

from __future__ import annotations

from typing import Any

from celery.bootsteps import StartStopStep

from synckairos.ops.heartbeats import Heartbeat

_EVERY_S = 2.0


class HeartbeatStep(StartStopStep):
    """A step of the worker's consumer, which begins anew with each connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._heartbeat = Heartbeat("worker")
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Give the first, and one every other second."""
        self._heartbeat.beat()
        self._timer = parent.timer.call_repeatedly(_EVERY_S, self._heartbeat.beat)

    def stop(self, parent: Any) -> None:
        """Give no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
