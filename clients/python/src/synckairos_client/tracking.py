"""The state that is shown, the events that were delivered, and the gaps between. The module does no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from synckairos_client.frames import Event, Frame, State

RETRY_MS = 3_000.0


@dataclass(frozen=True, slots=True)
class Change:
    """The changes that a frame has caused."""

    has_new_state: bool = False
    """True if there is another state to show."""
    events: tuple[Event, ...] = ()
    is_new_session: bool = False
    resynced: bool = False
    is_deleted: bool = False
    """True if the session that was shown does not exist any more."""


NO_CHANGE = Change()


class Tracker:
    """The position of one screen.

    `version` is that of the state; `delivered` is the version up to which the events are complete. They differ while
    there is a gap. Events are then held back: the answer to RECONNECT contains all of them.
    """

    def __init__(self) -> None:
        self.state: State | None = None
        self.epoch: str | None = None
        self.version = 0
        self.delivered = 0
        self._sequence = 0
        self._is_expected = False
        self._requested_ms: float | None = None

    def connected(self, frame: Frame) -> Change:
        """Apply `CONNECTED`, the first frame of a connection."""
        self._requested_ms = None
        if frame["state"] is None:
            self._is_expected = self.state is None
            return Change(is_deleted=not self._is_expected)
        if frame["epoch"] != self.epoch:
            # Events before the first state are not delivered, unless the session was expected.
            return self._begin_epoch(frame, delivered=0 if self._is_expected else frame["version"])
        if frame["version"] < self.version:
            # The store has lost newer states (1012 "State restored", or a failover), so its state replaces ours.
            return self._accept_rollback(frame)
        self._set_state(frame)
        return Change(has_new_state=True)

    def updated(self, frame: Frame) -> Change:
        """Apply `STATE_UPDATE`: a state, and the events since `since_version`."""
        if frame["epoch"] != self.epoch:
            self._begin_epoch(frame, delivered=0)  # created during the connection, so all its events are new
            return Change(has_new_state=True, events=self._deliver_update(frame), is_new_session=True)
        if frame["version"] <= self.version:
            return NO_CHANGE
        self._set_state(frame)
        return Change(has_new_state=True, events=self._deliver_update(frame))

    def synced(self, frame: Frame) -> Change:
        """Apply `STATE_SYNC`, the answer to RECONNECT."""
        self._requested_ms = None
        if frame["epoch"] != self.epoch:
            return self._begin_epoch(frame, delivered=frame["version"], resynced=True)
        has_new_state = frame["version"] >= self.version
        if has_new_state:
            self._set_state(frame)
        if frame["recovered"]:
            return Change(has_new_state=has_new_state, events=self._deliver(frame["missed"], frame["version"]))
        self.delivered = max(self.delivered, frame["version"])
        return Change(has_new_state=has_new_state, resynced=True)

    def reconnect_frame(self, now_ms: float) -> Frame | None:
        """Return the RECONNECT to send now, or None: while events are missing, again after 3 s without an answer."""
        if self.delivered >= self.version or (
            self._requested_ms is not None and now_ms - self._requested_ms < RETRY_MS
        ):
            return None
        self._requested_ms = now_ms
        return {"type": "RECONNECT", "last_version": self.delivered, "epoch": self.epoch}

    def _begin_epoch(self, frame: Frame, *, delivered: int, resynced: bool = False) -> Change:
        self.epoch, self.delivered, self._sequence, self._is_expected = frame["epoch"], delivered, 0, False
        self._set_state(frame)
        return Change(has_new_state=True, is_new_session=True, resynced=resynced)

    def _accept_rollback(self, frame: Frame) -> Change:
        self.delivered, self._sequence = frame["version"], 0
        self._set_state(frame)
        return Change(has_new_state=True, resynced=True)

    def _set_state(self, frame: Frame) -> None:
        self.state, self.version = frame["state"], frame["version"]

    def _deliver_update(self, frame: Frame) -> tuple[Event, ...]:
        if frame["since_version"] > self.delivered:
            return ()  # a gap: these events come with the answer, in order
        return self._deliver(frame["events"], frame["version"])

    def _deliver(self, events: Iterable[Event], up_to: int) -> tuple[Event, ...]:
        news = tuple(
            {**event, "epoch": self.epoch}
            for event in events
            if event["sequence"] > self._sequence and event["version"] > self.delivered
        )
        if news:
            self._sequence = news[-1]["sequence"]
        self.delivered = max(self.delivered, up_to)
        return news
