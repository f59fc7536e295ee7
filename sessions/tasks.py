"""Periodic Celery tasks of the sessions app."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_ready

from synckairos.auth.refresh_tokens import delete_expired
from synckairos.conf import conf
from synckairos.ops import durability, scrape
from synckairos.telemetry import logs

log = logs.get_logger(__name__)


@worker_init.connect
def look_at_the_store(**_: Any) -> None:
    """A worker does not begin on a store that may lose data, unless that is allowed."""
    durability.require_durable_store()


@worker_ready.connect
def show_metrics(**_: Any) -> None:
    """A worker that is at work may be scraped."""
    scrape.serve_metrics(conf().metrics_port, conf().metrics_host)


@shared_task(name="sessions.tasks.forget_expired_tokens", ignore_result=True)
def forget_expired_tokens() -> None:
    """Refresh tokens that are over by their own time need not be remembered."""
    log.info("expired refresh tokens forgotten", rows=delete_expired())
