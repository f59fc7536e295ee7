"""`manage.py timekeeper`: applies deadlines on time, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from sessions.timekeeper import Timekeeper
from synckairos import metrics
from synckairos.conf import conf
from synckairos.redis import close_async_client


class Command(BaseCommand):
    help = "Apply deadlines on time. Run one, and more for standby."

    def handle(self, *args: Any, **options: Any) -> None:
        metrics.serve(conf().metrics_port)
        asyncio.run(_keep_time())


async def _keep_time() -> None:
    keeper = Timekeeper()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, keeper.stop)
    try:
        await keeper.run()
    finally:
        await close_async_client()
