"""Beat's schedule: with no worker to take them, tasks are not piled up in the store that holds the live state."""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError
from redis.exceptions import OutOfMemoryError

from synckairos.ops.heartbeats import Heartbeat
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

MOST_WAITING = 5
"""Each task does the work of all that wait before it, so more are worth nothing."""


class PatientScheduler(PersistentScheduler):
    """Sends a task only while few wait."""

    _heartbeat = Heartbeat("beat")
    _is_full = False
    """The broker was, when the last task was to be sent."""

    def apply_async(self, entry: ScheduleEntry, *args: Any, **kwargs: Any) -> Any:
        """Send a due task, unless enough of them wait for a worker."""
        try:
            sent = self._sent(entry, *args, **kwargs)
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

    def _sent(self, entry: ScheduleEntry, *args: Any, **kwargs: Any) -> Any:
        if self._waiting() >= MOST_WAITING:
            log.debug("task not sent: no worker takes them", task=entry.task)
            return None
        return super().apply_async(entry, *args, **kwargs)

    def _waiting(self) -> int:
        queue = self.app.conf.task_default_queue
        with self.app.connection_for_write() as connection:
            channel: Any = connection.default_channel
            return int(channel.queue_declare(queue=queue).message_count)


def _is_full(error: BaseException | None) -> bool:
    """Whether the broker had no room: Celery and its transport wrap what the store says."""
    while error is not None and not isinstance(error, OutOfMemoryError):
        error = error.__cause__ or error.__context__
    return error is not None
