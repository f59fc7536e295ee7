"""What a worker does for the doors, from time to time."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_init

from sessions.health import durability
from sessions.rest.refreshing import forget_expired
from synckairos import logs

log = logs.get(__name__)


@worker_init.connect
def look_at_the_store(**_: Any) -> None:
    """A worker does not begin on a store that may lose data, unless that is allowed."""
    durability.admit()


@shared_task(name="sessions.tasks.forget_expired_tokens", ignore_result=True)
def forget_expired_tokens() -> None:
    """Refresh tokens that are over by their own time need not be remembered."""
    log.info("expired refresh tokens forgotten", rows=forget_expired())
