"""What a worker does for the audit. Beat sends the drain every second; see worker.py for when it cannot."""

from __future__ import annotations

import gc
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from audit.drain_pace import pace


@shared_task(name="audit.tasks.drain_outbox", ignore_result=True)
def drain_outbox() -> None:
    """Bring everything that waits in the outbox into the database."""
    pace.attempt()


@worker_ready.connect
def settle_down(**_: Any) -> None:
    """What a worker does when it is up."""
    # What is here now stays: full collections, which a drain causes with all that it makes, need not look through it.
    gc.collect()
    gc.freeze()
