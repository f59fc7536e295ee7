"""The timekeeper: applies deadlines when they come, through the same service as requests (docs/clock.md).

It makes frames punctual; states are correct without it, because each read applies due deadlines first.
"""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError

from sessions.services.deadlines import DeadlineResult, DeadlineStatus, apply_due
from sessions.store import store
from sessions.store.store import Due
from sessions.timekeeping.idle_reviews import IdleReviews
from sessions.timekeeping.leases import Leases
from sessions.timekeeping.overdue import overdue_sessions
from sessions.timekeeping.retry_set_aside import SetAsideRetry
from sessions.timekeeping.shard_allocation import WINDOW, FairShares, OverdueWindow
from sessions.timekeeping.wakeups import Wakeups
from synckairos.errors import ServiceUnavailable
from synckairos.ops.heartbeats import Heartbeat
from synckairos.redis import keys
from synckairos.redis.scripts import send
from synckairos.stored_state import Unreadable
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

LONGEST_SLEEP_S = 0.25
"""Longest delay with which a deadline is noticed after its wake-up was lost."""
SHORTEST_SLEEP_S = 0.001
IDLE_PAUSE_S = 0.01
AFTER_FAULT_S = 0.25


class Timekeeper:
    """Applies the deadlines of its share of the shards until `stop`."""

    def __init__(self) -> None:
        self.leases = Leases()
        self._wakeups = Wakeups()
        self._reviews = IdleReviews()
        self._shares = FairShares()
        self._windows: dict[int, OverdueWindow] = {}
        """By shard, the overdue sessions that are not applied yet."""
        self._heartbeat = Heartbeat("timekeeper")
        self._is_stopping = False
        self._set_aside_retry = SetAsideRetry()
        self._store_fault = ""
        """The last fault of the store that was logged; empty while it serves."""

    def stop(self) -> None:
        """End after the current round."""
        self._is_stopping = True
        self._wakeups.wake()

    async def run(self) -> None:
        """Apply deadlines until `stop` is called."""
        log.info("timekeeper started", keeper=self.leases.keeper)
        self._wakeups.start()
        while not self._is_stopping:
            pause_s = await self._serve_shards()
            if pause_s:
                await self._wakeups.sleep(pause_s)
        await self._wakeups.close()
        with suppress(ServiceUnavailable, RedisError):
            await self.leases.close()
        log.info("timekeeper stopped", keeper=self.leases.keeper)

    async def _serve_shards(self) -> float:
        """Serve every leased shard once; return the seconds until the next round."""
        pauses: list[float] = []
        try:
            if self._wakeups.take_released() or not self.leases.renewal_in_s:
                await self.leases.renew()
            for shard in list(self.leases.held):
                if not self.leases.renewal_in_s:  # a long round must not cost the leases
                    await self.leases.renew()
                if shard in self.leases.held:
                    pauses.append(await self.apply_shard(shard))
                    await self._reviews.review_if_due(shard)
                    await self._set_aside_retry.retry_if_due(shard)
        except ServiceUnavailable as away:
            self._heartbeat.beat()  # it waits for the store; a restart would not help
            self._log_store_state(away.text)
            return AFTER_FAULT_S
        except Exception:
            # The next round may succeed; without this loop nothing expires by itself.
            log.exception("round failed")
            return AFTER_FAULT_S
        self._heartbeat.beat()
        self._log_store_state("")
        return min([*pauses, self.leases.renewal_in_s or SHORTEST_SLEEP_S])

    def _log_store_state(self, what: str) -> None:
        """Log whether the store serves, when that has changed: there are many rounds in a second."""
        if what and what != self._store_fault:
            log.warning("the state store cannot serve", reason=what)
        elif self._store_fault and not what:
            log.info("the state store serves again")
        self._store_fault = what

    async def apply_shard(self, shard: int) -> float:
        """Apply the due deadlines of a batch of a shard's sessions; return the seconds until the next call.

        Owners whose sessions have cost least of late come first, and of each owner the longest overdue session.
        """
        window = self._windows.pop(shard, None)
        if not window:
            due = await send(store.due(shard, WINDOW))
            if not due.overdue:
                return _sleep_until(due)
            self._shares.decay()
            window = OverdueWindow(
                await overdue_sessions(shard, keys.deadlines(shard), due, "deadline of no session"), self._shares
            )
        pause_s = await self._apply(window)
        if window:
            self._windows[shard] = window
        return 0.0 if window and pause_s == IDLE_PAUSE_S else pause_s

    async def _apply(self, window: OverdueWindow) -> float:
        # When nothing was due after all, the set is behind the states for a moment: the loop must not spin.
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
                    await send(store.remove_deadline(applied.session_id, set_aside=False))
                case DeadlineStatus.BROKEN:
                    await self._set_aside(applied)
                case DeadlineStatus.POSTPONED:
                    log.error("deadline put off", session_id=str(applied.session_id), exc_info=applied.error)
                    pause_s = AFTER_FAULT_S
        return pause_s

    async def _set_aside(self, broken: DeadlineResult) -> None:
        """Set aside the deadline of a session that fails, so that the others go on; log it as an error."""
        self._set_aside_retry.mark_tried(broken.session_id)
        log.error("deadline set aside", session_id=str(broken.session_id), exc_info=broken.error)
        metrics.DEADLINES_SET_ASIDE.inc()
        await send(store.remove_deadline(broken.session_id, set_aside=True, reason=_reason(broken.error)))


def _sleep_until(due: Due) -> float:
    if due.earliest_ms is None:
        return LONGEST_SLEEP_S
    return min(max((due.earliest_ms - due.now) / 1000, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)


def _reason(fault: Exception | None) -> str:
    """Return the kinds of an error and its cause. Its message is left out, because it may quote the session."""
    if fault is None:
        return ""
    what = f"{type(fault).__name__}: {fault}" if isinstance(fault, Unreadable) else type(fault).__name__
    return what if fault.__cause__ is None else f"{what} ({type(fault.__cause__).__name__})"
