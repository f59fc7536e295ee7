"""`manage.py timekeeper`: applies deadlines on time, until SIGINT or SIGTERM. With `--status`: says how they stand."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessions.timekeeping.keeper import Timekeeper
from synckairos.conf import conf
from synckairos.errors import ServiceUnavailable
from synckairos.ops import durability, scrape
from synckairos.ops.timekeepers import timekeeping_status
from synckairos.redis.client import close_async_client
from synckairos.redis.procedures import run_blocking


class Command(BaseCommand):
    help = "Apply deadlines on time. Run one, and more for standby."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--status", action="store_true", help="say how the timekeepers stand, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["status"]:
            self._show()
            return
        durability.require_durable_store()
        scrape.serve_metrics(conf().metrics_port, conf().metrics_host)
        # What is loaded now lasts: a full collection, which large sessions bring about, need not look at it each time.
        gc.collect()
        gc.freeze()
        asyncio.run(_keep_time())

    def _show(self) -> None:
        try:
            found = run_blocking(timekeeping_status())
        except ServiceUnavailable as away:
            raise CommandError(str(away)) from None
        self.stdout.write(f"timekeepers alive: {len(found.timekeepers)}")
        for keeper, ago_ms in found.timekeepers.items():
            self.stdout.write(f"  {keeper}  seen {ago_ms} ms ago")
        for number, shard in found.shards.items():
            self.stdout.write(
                f"shard {number}: served by {shard.holder or 'nobody'}, {shard.deadlines} deadlines, "
                f"{shard.overdue} overdue (longest {shard.longest_overdue_ms} ms), {shard.set_aside} set aside"
            )
        alone = [str(number) for number, shard in found.shards.items() if shard.holder is None]
        if alone:
            raise CommandError(f"Nobody serves shard {', '.join(alone)}: deadlines there are applied late.")


async def _keep_time() -> None:
    keeper = Timekeeper()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, keeper.stop)
    try:
        await keeper.run()
    finally:
        await close_async_client()
