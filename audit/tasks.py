"""Celery tasks of the audit. Beat sends the drain every five seconds; see worker.py for the case that it cannot."""

from __future__ import annotations

import gc
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from audit.drain_pace import pace


@shared_task(name="audit.tasks.drain_outbox", ignore_result=True)
def drain_outbox() -> None:
    """Write entries of the outbox to the database as they come, for `drain_pace.TASK_S` or until the worker stops."""
    pace().attempt()


@worker_ready.connect
def freeze_garbage_collector(**_: Any) -> None:
    """Move the objects of a started worker out of the collections that drains cause."""
    # These objects live as long as the process, so full collections need not look through them.
    gc.collect()
    gc.freeze()
