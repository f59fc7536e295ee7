"""Periodic check of each client: expired credentials, and transports that take no frames, end the connection."""

from __future__ import annotations

import asyncio
import time

from sessions import messages
from sessions.hub.subscriber import Subscriber
from sessions.hub.topics import Topics
from synckairos.close_codes import CloseReason
from synckairos.conf import conf
from synckairos.errors import CredentialsExpired
from synckairos.telemetry import logs
from synckairos.webserver.transport import Frame

log = logs.get_logger(__name__)

CHECK_INTERVAL_S = 0.5


async def run(topics: Topics) -> None:
    """Check every client, for as long as the process serves."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(CHECK_INTERVAL_S)
        wall_s, loop_s = time.time(), loop.time()
        for subscriber in topics.subscribers():
            try:
                check(subscriber, wall_s, loop_s)
            except Exception:
                log.exception("sweep failed")  # the other clients are checked all the same


def check(subscriber: Subscriber, wall_s: float, loop_s: float) -> None:
    """Close one client if its time is over, or notify it that its credentials have expired.

    `wall_s` is the instant on the clock of its token, `loop_s` the same on the loop's clock.
    """
    if subscriber.blocked_since_s is not None and loop_s - subscriber.blocked_since_s >= conf().send_timeout_s:
        subscriber.abort()
        return
    over_s = wall_s - subscriber.principal.expires_s
    if over_s < 0:
        return
    if over_s >= conf().auth_grace_s:
        subscriber.close(*CloseReason.CREDENTIALS_EXPIRED.value)
    elif not subscriber.is_notified_of_expiry:
        subscriber.is_notified_of_expiry = True
        left_ms = round((conf().auth_grace_s - over_s) * 1000)
        subscriber.enqueue(Frame(messages.error(CredentialsExpired(left_ms))))
