"""What time does to a client: credentials run out, and who takes nothing is let go."""

from __future__ import annotations

import asyncio
import time

from sessions import messages
from sessions.hub.rooms import Rooms
from sessions.hub.subscriber import Outlet
from synckairos.close_codes import CloseReason
from synckairos.conf import conf
from synckairos.errors import CredentialsExpired
from synckairos.telemetry import logs
from synckairos.webserver.transport import Frame

log = logs.get_logger(__name__)

SWEEP_EVERY_S = 0.5


async def run(rooms: Rooms) -> None:
    """Look at every client, for as long as the process serves."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        wall_s, loop_s = time.time(), loop.time()
        for outlet in rooms.outlets():
            try:
                sweep(outlet, wall_s, loop_s)
            except Exception:
                log.exception("sweep failed")  # one client's fault is its own


def sweep(outlet: Outlet, wall_s: float, loop_s: float) -> None:
    """Look at one client, at an instant on the clock of its token and on the one of the loop."""
    if outlet.waits_since_s is not None and loop_s - outlet.waits_since_s >= conf().send_timeout_s:
        outlet.give_up()
        return
    over_s = wall_s - outlet.principal.expires_s
    if over_s < 0:
        return
    if over_s >= conf().auth_grace_s:
        outlet.finish(*CloseReason.CREDENTIALS_EXPIRED.value)
    elif not outlet.is_told_of_expiry:
        outlet.is_told_of_expiry = True
        left_ms = round((conf().auth_grace_s - over_s) * 1000)
        outlet.put(Frame(messages.error(CredentialsExpired(left_ms))))
