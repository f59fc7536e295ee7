"""Beat's schedule: without a worker, tasks do not pile up in the store that holds the live state."""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError
from redis.exceptions import OutOfMemoryError

from synckairos.ops.heartbeats import Heartbeat
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

MAX_QUEUED = 5
"""Largest number of queued tasks. Each does the work of all before it, so more would add nothing."""
MAX_QUEUED_DRAINS = 1
"""Number of queued tasks at which no drain is added: each waits in its worker for 15 s, and other tasks come after."""
_DRAIN = "audit.tasks.drain_outbox"


class BackpressureScheduler(PersistentScheduler):
    """Sends a task only while few are queued."""

    _heartbeat = Heartbeat("beat")
    _is_full = False
    """True if the broker was full when the last task was due."""

    def setup_schedule(self) -> None:
        """Read the schedule, and send the first heartbeat: beat lives even if its broker is away."""
        super().setup_schedule()
        self._heartbeat.beat()

    def apply_async(self, entry: ScheduleEntry, *args: Any, **kwargs: Any) -> Any:
        """Send a due task, unless enough tasks are queued."""
        try:
            sent = self._send_unless_queued(entry, *args, **kwargs)
            self._is_full = False
        except (OutOfMemoryError, SchedulingError) as error:
            if not _is_full(error):
                raise
            if not self._is_full:
                log.warning("tasks are not sent: the broker is full")
            self._is_full = True
            sent = None
        self._heartbeat.beat()
        return sent

    def _send_unless_queued(self, entry: ScheduleEntry, *args: Any, **kwargs: Any) -> Any:
        if self._queued() >= (MAX_QUEUED_DRAINS if entry.task == _DRAIN else MAX_QUEUED):
            log.debug("task not sent: no worker takes them", task=entry.task)
            return None
        return super().apply_async(entry, *args, **kwargs)

    def _queued(self) -> int:
        queue = self.app.conf.task_default_queue
        with self.app.connection_for_write() as connection:
            channel: Any = connection.default_channel
            return int(channel.queue_declare(queue=queue).message_count)


def _is_full(error: BaseException | None) -> bool:
    """Return true if the broker was full: Celery and its transport wrap the error of the store."""
    while error is not None and not isinstance(error, OutOfMemoryError):
        error = error.__cause__ or error.__context__
    return error is not None
