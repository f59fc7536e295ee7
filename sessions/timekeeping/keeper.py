"""The timekeeper: applies deadlines when they come, through the same service as every other door.

It makes pushes punctual, never states right: whoever looks at a session applies what is due first. Several may run; the
version check of the commit script makes a double application impossible. See docs/clock.md.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from redis.exceptions import RedisError

from sessions.services.deadlines import DeadlineResult, DeadlineStatus, apply_due
from sessions.store import store
from sessions.store.codec import Unreadable
from sessions.store.store import Due
from sessions.timekeeping.idle_reviews import Reviews
from sessions.timekeeping.leases import Leases
from sessions.timekeeping.retry_set_aside import SecondLook
from sessions.timekeeping.shard_allocation import WINDOW, Shares, Window
from sessions.timekeeping.wakeups import Wakeups
from synckairos.engine.units import Instant
from synckairos.errors import ServiceUnavailable
from synckairos.ids import parse_uuid
from synckairos.ops.heartbeats import Heartbeat
from synckairos.redis import keys
from synckairos.redis.scripts import send
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

LONGEST_SLEEP_S = 0.25
"""How late a deadline may be noticed whose wake-up was lost."""
SHORTEST_SLEEP_S = 0.001
IDLE_PAUSE_S = 0.01
AFTER_FAULT_S = 0.25


class Timekeeper:
    """Serves its share of the shards until told to stop."""

    def __init__(self) -> None:
        self.leases = Leases()
        self._wakeups = Wakeups()
        self._reviews = Reviews()
        self._shares = Shares()
        self._windows: dict[int, Window] = {}
        """By shard, what was overdue a moment ago and is not taken up yet."""
        self._heartbeat = Heartbeat("timekeeper")
        self._is_stopping = False
        self._second_look = SecondLook()
        self._said = ""
        """What was said of the store when it last could not serve; empty while it can."""

    def stop(self) -> None:
        """Finish what is in hand, then end."""
        self._is_stopping = True
        self._wakeups.wake()

    async def run(self) -> None:
        """Apply deadlines until `stop`."""
        log.info("timekeeper started", keeper=self.leases.keeper)
        self._wakeups.start()
        while not self._is_stopping:
            pause_s = await self._round()
            if pause_s:
                await self._wakeups.sleep(pause_s)
        await self._wakeups.close()
        with suppress(ServiceUnavailable, RedisError):
            await self.leases.close()
        log.info("timekeeper stopped", keeper=self.leases.keeper)

    async def _round(self) -> float:
        """Every shard of ours once; gives how long all may be left alone, in seconds."""
        pauses: list[float] = []
        try:
            if self._wakeups.told_of_a_lease() or not self.leases.renewal_in_s:
                await self.leases.renew()
            for shard in list(self.leases.held):
                if not self.leases.renewal_in_s:  # a long round must not cost the leases
                    await self.leases.renew()
                if shard in self.leases.held:
                    pauses.append(await self.tick(shard))
                    await self._reviews.tick(shard)
                    await self._second_look.tick(shard)
        except ServiceUnavailable as away:
            self._heartbeat.beat()  # it waits for the store: nothing that a restart would mend
            self._say(away.text)
            return AFTER_FAULT_S
        except Exception:
            # Whatever it was, the next round may succeed; without this loop nothing expires by itself.
            log.exception("round failed")
            return AFTER_FAULT_S
        self._heartbeat.beat()
        self._say("")
        return min([*pauses, self.leases.renewal_in_s or SHORTEST_SLEEP_S])

    def _say(self, what: str) -> None:
        """Tell how the store serves, when that has changed: rounds come many times a second."""
        if what and what != self._said:
            log.warning("the state store cannot serve", reason=what)
        elif self._said and not what:
            log.info("the state store serves again")
        self._said = what

    async def tick(self, shard: int) -> float:
        """Apply what is due in a shard now: a batch of sessions, one portion to each, those first whose owners have had
        least of late, and of each owner the longest overdue.

        Gives how long the shard may be left alone, in seconds.
        """
        window = self._windows.pop(shard, None)
        if not window:
            due = await send(store.due(shard, WINDOW))
            if not due.overdue:
                return _sleep_until(due)
            self._shares.decay()
            window = Window(await _sessions(shard, due), self._shares)
        pause_s = await self._apply(window)
        if window:
            self._windows[shard] = window
        return 0.0 if window and pause_s == IDLE_PAUSE_S else pause_s

    async def _apply(self, window: Window) -> float:
        # When nothing was due after all, the set lags behind the states for a moment: no reason to spin.
        pause_s = IDLE_PAUSE_S
        for applied in await apply_due(window.batch()):
            if applied.state is not None:
                self._shares.charge(applied.state)
            match applied.status:
                case DeadlineStatus.APPLIED:
                    pause_s = min(pause_s, 0.0)
                    late_ms = max(0, applied.at_ms - window.deadlines[applied.session_id])
                    metrics.DEADLINE_LATENESS_SECONDS.observe(late_ms / 1000)
                case DeadlineStatus.GONE:
                    await send(store.forget(applied.session_id, set_aside=False))
                case DeadlineStatus.BROKEN:
                    await self._set_aside(applied)
                case DeadlineStatus.POSTPONED:
                    log.error("deadline put off", session_id=str(applied.session_id), exc_info=applied.error)
                    pause_s = AFTER_FAULT_S
        return pause_s

    async def _set_aside(self, broken: DeadlineResult) -> None:
        """One broken session must not stop the others: its deadline is taken away, and that is said loudly."""
        self._second_look.was_tried(broken.session_id)
        log.error("deadline set aside", session_id=str(broken.session_id), exc_info=broken.error)
        metrics.DEADLINES_SET_ASIDE.inc()
        await send(store.forget(broken.session_id, set_aside=True, reason=_reason(broken.error)))


def _sleep_until(due: Due) -> float:
    if due.earliest_ms is None:
        return LONGEST_SLEEP_S
    return min(max((due.earliest_ms - due.now) / 1000, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)


async def _sessions(shard: int, due: Due) -> dict[UUID, Instant]:
    """What is overdue, without what is none of ours."""
    deadlines: dict[UUID, Instant] = {}
    for member, at_ms in due.overdue:
        session_id = parse_uuid(member)
        if session_id is None:
            log.error("deadline of no session", member=member)
            await send(store.forget_junk(shard, keys.deadlines(shard), member))
        else:
            deadlines[session_id] = at_ms
    return deadlines


def _reason(fault: Exception | None) -> str:
    """Kinds only: a message may quote what the session holds."""
    if fault is None:
        return ""
    what = f"{type(fault).__name__}: {fault}" if isinstance(fault, Unreadable) else type(fault).__name__
    return what if fault.__cause__ is None else f"{what} ({type(fault.__cause__).__name__})"
