"""The Celery application: `celery -A config.celery`."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from celery import Celery, platforms, signals
from django.conf import settings

from synckairos.telemetry import logs, stderr

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

log = logs.get_logger(__name__)


class Application(Celery):
    """The Celery application. Its processes log to the product's log only, whatever their command line says."""

    @cached_property
    def Beat(self) -> Any:  # noqa: N802 - Celery's name
        """The program that sends the periodic tasks."""
        from celery.apps.beat import Beat  # noqa: PLC0415 - of use to one process only

        class Quiet(Beat):
            def __init__(self, **options: Any) -> None:
                super().__init__(**{**options, "quiet": True})

            def start_scheduler(self) -> Any:
                log.info("beat started")
                try:
                    return super().start_scheduler()
                finally:
                    log.info("beat stopped")

            def install_sync_handler(self, service: Any) -> None:
                """Replaces Celery's handler, which raises an exception: where Python ignores it (in a callback of a
                weak reference, for example), the signal would be lost. The schedule is saved when the service ends."""

                def end(_signum: int, _frame: Any) -> None:
                    service._is_shutdown.set()  # noqa: SLF001 - its `stop` writes a log, as no signal handler may
                    raise SystemExit

                platforms.signals.update(SIGTERM=end, SIGINT=end)

        return self.subclass_with_self(Quiet, name="Beat")


@signals.setup_logging.connect
def _keep_our_logs(**_options: Any) -> None:
    """Keeps Celery from the setup of its own logs, since ours are set up with the settings."""


@signals.celeryd_init.connect
def _log_start(instance: Any, **_options: Any) -> None:
    """Logs one line instead of a banner, and of what the worker's signal handlers write past every log."""
    from celery.apps import worker  # noqa: PLC0415 - of use to one process only

    instance.quiet = True
    worker.safe_say = lambda text, *_stream: stderr.write_now(  # type: ignore[attr-defined]  # its stubs do not know it
        text.strip(), "celery.apps.worker"
    )


@signals.worker_ready.connect
def _started(sender: Any, **_options: Any) -> None:
    log.info("worker started", worker=str(sender.hostname))


@signals.worker_shutdown.connect
def _stopped(sender: Any, **_options: Any) -> None:
    log.info("worker stopped", worker=str(sender.hostname))


settings.LOGGING  # noqa: B018 - settings are read now, so that whatever goes wrong afterwards goes to the log
app = Application("synckairos")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add("audit.worker:DrainThread")
app.steps["consumer"].add("audit.worker:HeartbeatStep")
