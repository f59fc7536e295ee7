"""The outgoing side of one client: what its wire cannot take at once waits here, within bounds.

State frames conflate: only the newest waits. Notices and answers queue up to a bound. So a slow client costs a fixed
amount of memory, holds up nobody, and always ends with the last state.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sessions.hub.broadcast_group import Step
from synckairos.auth.permissions import SeatsBySubject, SessionAccess, role_of
from synckairos.auth.principal import Principal
from synckairos.close_codes import CloseReason
from synckairos.errors import Unauthenticated
from synckairos.telemetry import metrics
from synckairos.webserver.transport import Direct, Frame, Wire

MAX_WAITING = 64
"""Notices and answers that may wait; beyond it the oldest are dropped."""


class Position(NamedTuple):
    """The state that a client has been given, or is about to be."""

    epoch: str | None
    version: int

    def is_before(self, epoch: str, version: int) -> bool:
        """Whether that state is news: a newer version, or another session of the same id."""
        return epoch != self.epoch or version > self.version


NOWHERE = Position(None, 0)


class Outlet:
    """One client of one session, as the hub sees it."""

    __slots__ = (
        "_closing",
        "_deleted_epoch",
        "_direct",
        "_is_clear",
        "_is_ended",
        "_last",
        "_position",
        "_presence",
        "_queue",
        "_state",
        "_sync",
        "_wire",
        "counts_as_present",
        "is_busy",
        "is_held",
        "is_hidden_from",
        "is_told_of_expiry",
        "judged_epoch",
        "participants",
        "principal",
        "step",
        "subject",
        "waits_since_s",
    )  # fmt: skip

    def __init__(self, wire: Wire, principal: Principal, *, counts_as_present: bool = True) -> None:
        self.step: Step | None = None
        """With whom it goes in step, when it does."""
        self._position = NOWHERE
        self._direct: Direct | None = None
        """Where the step writes to; None while the client goes alone."""
        self.principal = principal
        """Whose credentials opened it; replaced when fresh ones come."""
        self.subject = principal.subject
        """Whom it counts for."""
        self.judged_epoch: str | None = None
        """The session's life for which it is known whether the client may look on."""
        self.is_hidden_from = False
        """The client waits for a session that does not exist, as far as it may know."""
        self.is_told_of_expiry = False
        self.counts_as_present = counts_as_present
        self.participants: tuple[UUID, ...] = ()
        """The participants that this client is."""
        self.is_held = True
        """Until the first frame is there, the others wait."""
        self.is_busy = False
        """A command is being carried out: its answer goes out before the end does."""
        self.waits_since_s: float | None = None
        """Since when the wire has taken nothing of what waits, on the loop's clock."""
        self._queue: deque[Frame] = deque(maxlen=MAX_WAITING)
        self._state: Frame | None = None
        self._sync: Frame | None = None
        self._presence: Frame | None = None
        self._last: Frame | None = None
        self._closing: tuple[int, str] | None = None
        self._deleted_epoch: str | None = None
        self._is_ended = False
        self._is_clear = False
        """Nothing waits, and nothing has to come before the next frame."""
        self._wire = wire
        wire.on_writable = self.flush
        wire.on_blocked = self._go_alone
        wire.on_misbehaved = self.finish

    @property
    def position(self) -> Position:
        """The state that the client has been given, or is about to be."""
        return self._position if self._direct is None or self.step is None else self.step.position

    @position.setter
    def position(self, shown: Position) -> None:
        self._go_alone()
        self._position = shown

    def _go_alone(self) -> None:
        """Something is to come before the next frame, or there is no room."""
        self._is_clear = False
        if self._direct is not None and self.step is not None:
            self._position = self.step.position
            self.step.fall_out(self._direct)
            self._direct = None

    def _fall_in(self) -> None:
        """Nothing waits: go in step with those who have been given the same, if the wire can do that."""
        self._is_clear = True
        direct = None if self.is_hidden_from else self._wire.direct
        if direct is not None and self.step is not None and self.step.fall_in(self, direct, self._position):
            self._direct = direct

    @property
    def is_closing(self) -> bool:
        """Whether it has been told to end."""
        return self._closing is not None

    def judge(self, session: SessionAccess, seats: SeatsBySubject | None = None) -> None:
        """Find out what the session is to this client: who it is there, and whether it may look on."""
        self.judged_epoch = session.epoch
        try:
            found = role_of(self.principal, session, seats)
        except Unauthenticated:
            self.hide()
            self.finish(*CloseReason.CREDENTIALS_REVOKED.value)
            return
        if found is not None:
            self.is_hidden_from, self.participants = False, found.seats
            return
        was_shown = self.position.epoch
        self.hide()
        if was_shown is not None:  # its seat is another's now; or the session is one that is not for this client
            end = CloseReason.ACCESS_WITHDRAWN if was_shown == session.epoch else CloseReason.SESSION_REPLACED
            self.finish(*end.value)

    def hide(self) -> None:
        """Show nothing, as if there were no session."""
        self.is_hidden_from, self.participants = True, ()
        self.position, self._state, self._sync, self._presence = NOWHERE, None, None, None
        if self.is_held:
            self._queue.clear()
            if self._deleted_epoch is not None:
                self._closing = self._last = self._deleted_epoch = None

    @property
    def is_present(self) -> bool:
        """Whether it is one of those who are told to be there."""
        return self.counts_as_present and not self.is_hidden_from

    def release(self, first: Frame | None, shown: Position = NOWHERE) -> None:
        """Send this frame, which shows this state, before all others; of those that wait, only news follow.

        Without a frame: the client has that state already.
        """
        self._go_alone()
        if first is not None:
            self._queue.appendleft(first)
        if self._deleted_epoch is not None and shown.epoch not in {None, self._deleted_epoch}:
            self._closing = self._last = None  # that was the session before this one
        if shown.epoch is not None and (self.position.epoch != shown.epoch or self.position.version <= shown.version):
            self.position, self._state = shown, None
        self.is_held = False
        self.flush()

    def pass_on(self, shown: Position, frame: Frame) -> bool:
        """Hand over a state at once: the short way of `offer_state`, for the many to whom it is simply the next.

        False when it is not, or when something waits, or there is no room: then nothing has happened. Not for those in
        step.
        """
        position = self._position
        if (
            self._is_clear
            and not self.is_hidden_from
            and position[1] < shown[1]
            and position[0] == shown[0]
            and self._wire.take(frame)
        ):
            self._position = shown
            self._fall_in()
            return True
        return False

    def offer_state(self, epoch: str, version: int, frame: Frame, notices: Iterable[Frame] = ()) -> None:
        """A state with its notices; dropped when the client has been given this or a newer one."""
        if self.is_hidden_from or self._closing is not None or not self.position.is_before(epoch, version):
            return
        self.position = Position(epoch, version)
        if self._state is not None:
            metrics.SOCKET_FRAMES_CONFLATED.inc()
        self._state = frame
        self._queue.extend(notices)
        self.flush()

    def offer_presence(self, frame: Frame) -> None:
        """Who is there; an older one that still waits is forgotten."""
        if self._closing is None and not self.is_hidden_from:
            self._go_alone()
            self._presence = frame
            self.flush()

    def put(self, frame: Frame) -> None:
        """An answer."""
        self._go_alone()
        self._queue.append(frame)
        self.flush()

    def put_sync(self, shown: Position, frame: Frame, asked_at: Position) -> bool:
        """An answer that shows a state, asked for at a position. False, and nothing is sent, when the client has been
        given a newer one since: of the same session, or of one made anew under its id."""
        if self.position.epoch == shown.epoch and self.position.version > shown.version:
            return False
        if self.position.epoch not in {asked_at.epoch, shown.epoch}:
            return False
        self.position, self._state, self._sync = shown, None, frame
        self.flush()
        return True

    def finish(self, code: int, reason: str, last: Frame | None = None, *, of_epoch: str | None = None) -> None:
        """End after what is waiting, and after a last frame; because the session of this epoch is no more."""
        if self._closing is None:
            self._go_alone()
            self._closing, self._last, self._deleted_epoch = (code, reason), last, of_epoch
            self.flush()

    def give_up(self) -> None:
        """End a client that takes nothing."""
        if not self._is_ended:
            self._go_alone()
            self._is_ended = True
            code, reason = self._closing or CloseReason.TOO_SLOW.value
            self._wire.expel(code, reason)

    def detach(self) -> None:
        """The client is gone."""
        self._go_alone()
        self._is_ended = True
        self._wire.on_writable = self._wire.on_blocked = self._wire.on_misbehaved = None

    def flush(self) -> None:
        """Hand over what the wire has room for."""
        if self.is_held or self._is_ended:
            return
        wire = self._wire
        while wire.is_writable:
            frame = self._next()
            if frame is None:
                self.waits_since_s = None
                if self._closing is None:
                    if self._direct is None:
                        self._fall_in()
                elif not self.is_busy:
                    self._is_ended = True
                    wire.finish(*self._closing)
                return
            self.waits_since_s = None
            metrics.SOCKET_FRAMES_OUT.inc()
            wire.write(frame)
        if self.waits_since_s is None and self._is_waiting:
            self.waits_since_s = asyncio.get_running_loop().time()

    @property
    def _is_waiting(self) -> bool:
        return bool(self._queue or self._sync or self._state or self._presence or self._closing)

    def _next(self) -> Frame | None:
        if self._queue:
            return self._queue.popleft()
        frame, self._sync = self._sync, None
        if frame is None:
            frame, self._state = self._state, None
        if frame is None:
            frame, self._presence = self._presence, None
        if frame is None and not self.is_busy:
            frame, self._last = self._last, None
        return frame
