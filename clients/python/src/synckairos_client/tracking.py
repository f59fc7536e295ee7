"""Which state is shown, which events have been told, and what is missing. Nothing here waits or sends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from synckairos_client.frames import Event, Frame, State

ASK_AGAIN_MS = 3_000.0


@dataclass(frozen=True, slots=True)
class Change:
    """What a frame has changed."""

    is_news: bool = False
    """There is another state to show."""
    events: tuple[Event, ...] = ()
    is_new_session: bool = False
    resynced: bool = False
    is_gone: bool = False
    """The session that was shown exists no more."""


NOTHING = Change()


class Tracker:
    """The position of one screen.

    `version` is that of the state shown; `told` is the version up to which the events are complete. They differ while
    a gap is open, and then events are held back: the answer to RECONNECT has all of them.
    """

    def __init__(self) -> None:
        self.state: State | None = None
        self.epoch: str | None = None
        self.version = 0
        self.told = 0
        self._sequence = 0
        self._is_awaited = False
        self._asked_ms: float | None = None

    def connected(self, frame: Frame) -> Change:
        """`CONNECTED`: the whole truth of a new connection."""
        self._asked_ms = None
        if frame["state"] is None:
            self._is_awaited = self.state is None
            return Change(is_gone=not self._is_awaited)
        if frame["epoch"] != self.epoch:
            # Events before the first sight of a session are nobody's concern, unless we were waiting for it.
            return self._begin(frame, told=0 if self._is_awaited else frame["version"])
        if frame["version"] < self.version:
            # The store has lost what was shown (1012 "State restored", or a failover): its word is the truth.
            return self._rewind(frame)
        self._show(frame)
        return Change(is_news=True)

    def updated(self, frame: Frame) -> Change:
        """`STATE_UPDATE`: a state, and the events that led to it from `since_version`."""
        if frame["epoch"] != self.epoch:
            self._begin(frame, told=0)  # made while we were watching: its events count from the first one
            return Change(is_news=True, events=self._tell_from(frame), is_new_session=True)
        if frame["version"] <= self.version:
            return NOTHING
        self._show(frame)
        return Change(is_news=True, events=self._tell_from(frame))

    def synced(self, frame: Frame) -> Change:
        """`STATE_SYNC`: the answer to the question."""
        self._asked_ms = None
        if frame["epoch"] != self.epoch:
            return self._begin(frame, told=frame["version"], resynced=True)
        is_news = frame["version"] >= self.version
        if is_news:
            self._show(frame)
        if frame["recovered"]:
            return Change(is_news=is_news, events=self._tell(frame["missed"], frame["version"]))
        self.told = max(self.told, frame["version"])
        return Change(is_news=is_news, resynced=True)

    def question(self, now_ms: float) -> Frame | None:
        """The RECONNECT to send now: while events are missing, and one that got no answer again after 3 s."""
        if self.told >= self.version or (self._asked_ms is not None and now_ms - self._asked_ms < ASK_AGAIN_MS):
            return None
        self._asked_ms = now_ms
        return {"type": "RECONNECT", "last_version": self.told, "epoch": self.epoch}

    def _begin(self, frame: Frame, *, told: int, resynced: bool = False) -> Change:
        self.epoch, self.told, self._sequence, self._is_awaited = frame["epoch"], told, 0, False
        self._show(frame)
        return Change(is_news=True, is_new_session=True, resynced=resynced)

    def _rewind(self, frame: Frame) -> Change:
        self.told, self._sequence = frame["version"], 0
        self._show(frame)
        return Change(is_news=True, resynced=True)

    def _show(self, frame: Frame) -> None:
        self.state, self.version = frame["state"], frame["version"]

    def _tell_from(self, frame: Frame) -> tuple[Event, ...]:
        if frame["since_version"] > self.told:
            return ()  # a gap: these come with the answer, in their place
        return self._tell(frame["events"], frame["version"])

    def _tell(self, events: Iterable[Event], up_to: int) -> tuple[Event, ...]:
        news = tuple(
            {**event, "epoch": self.epoch}
            for event in events
            if event["sequence"] > self._sequence and event["version"] > self.told
        )
        if news:
            self._sequence = news[-1]["sequence"]
        self.told = max(self.told, up_to)
        return news
