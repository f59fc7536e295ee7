"""Celery tasks of the audit. Beat sends the drain every five seconds (see worker.py for the case that it cannot), and
the checkpoint every minute."""

from __future__ import annotations

import gc
import os
from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_ready
from django.db import DatabaseError

from audit import checkpoints
from audit.checkpoint_log import LogDamaged
from audit.drain_pace import pace
from synckairos.conf import conf
from synckairos.telemetry import logs

CHECKPOINT_DURATION_S = 5.0
"""Time after which a task for a checkpoint leaves the rest to the next one, since the drain waits for it."""
_NICENESS = 5
"""Linux gives such a process a third of the time of another one that competes for the same processor."""

log = logs.get_logger(__name__)


@shared_task(name="audit.tasks.drain_outbox", ignore_result=True)
def drain_outbox() -> None:
    """Write entries of the outbox to the database as they come, for `drain_pace.TASK_S` or until the worker stops."""
    pace().attempt()


@shared_task(name="audit.tasks.write_checkpoint", ignore_result=True)
def write_checkpoint() -> None:
    """Write a checkpoint of all chains that have moved; nothing without a directory for them."""
    directory = conf().checkpoint_dir
    if directory is None:
        return
    try:
        checkpoints.make(directory, CHECKPOINT_DURATION_S)
    except (DatabaseError, LogDamaged, OSError) as error:
        reason = str(error) if isinstance(error, LogDamaged) else getattr(error, "strerror", None)
        log.warning("no checkpoint of the audit", error=type(error).__name__, reason=reason)


@worker_init.connect
def lower_priority(**_: Any) -> None:
    """Lower the priority of a worker, with its threads and children: on a busy machine, requests go first."""
    os.nice(_NICENESS)


@worker_ready.connect
def freeze_garbage_collector(**_: Any) -> None:
    """Move the objects of a started worker out of the collections that drains cause."""
    # These objects live as long as the process, so full collections need not look through them.
    gc.collect()
    gc.freeze()
