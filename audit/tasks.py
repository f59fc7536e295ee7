"""What a worker does for the audit. Beat sends the drain every second."""

from __future__ import annotations

import gc
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from audit.drain import drain_all
from synckairos import metrics
from synckairos.conf import conf

_EXPIRES_S = 5.0


@shared_task(name="audit.tasks.drain_outbox", ignore_result=True)
def drain_outbox() -> None:
    """Bring everything that waits in the outbox into the database."""
    drain_all()


@worker_ready.connect
def drain_at_start(**_: Any) -> None:
    """A worker that has just come up does not wait for beat."""
    # What is here now stays: full collections, which a drain causes with all that it makes, need not look through it.
    gc.collect()
    gc.freeze()
    metrics.serve(conf().metrics_port)
    drain_outbox.apply_async(expires=_EXPIRES_S)
