"""What a worker does for the doors, from time to time."""

from __future__ import annotations

from celery import shared_task

from sessions.rest.refreshing import forget_expired
from synckairos import logs

log = logs.get(__name__)


@shared_task(name="sessions.tasks.forget_expired_tokens", ignore_result=True)
def forget_expired_tokens() -> None:
    """Refresh tokens that are over by their own time need not be remembered."""
    log.info("expired refresh tokens forgotten", rows=forget_expired())
