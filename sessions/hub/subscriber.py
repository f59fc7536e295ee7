"""A subscriber's send queue: what its transport cannot take at once waits here, within bounds.

State frames conflate: only the newest one waits. Notices and answers queue up to a bound. So a slow client costs a
fixed amount of memory, delays no other client, and always ends with the last state.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from uuid import UUID

from sessions.hub.broadcast_group import BroadcastGroup
from sessions.hub.position import NOWHERE, Position
from synckairos.auth.permissions import SeatsBySubject, SessionAccess, role_of
from synckairos.auth.principal import Principal
from synckairos.close_codes import CloseReason
from synckairos.errors import Unauthenticated
from synckairos.telemetry import metrics
from synckairos.webserver.transport import ClientTransport, Frame, RawTransport

MAX_QUEUED = 64
"""Largest number of queued notices and answers; beyond it the oldest are dropped."""


class Subscriber:
    """One client of one session, as the hub sees it."""

    __slots__ = (
        "_close_reason",
        "_deleted_epoch",
        "_is_ended",
        "_is_idle",
        "_last_frame",
        "_position",
        "_presence",
        "_queue",
        "_raw_transport",
        "_state",
        "_sync",
        "_transport",
        "access_epoch",
        "awaits_first_frame",
        "blocked_since_s",
        "counts_as_present",
        "group",
        "is_busy",
        "is_notified_of_expiry",
        "may_view",
        "participants",
        "principal",
        "subject",
    )  # fmt: skip

    def __init__(self, transport: ClientTransport, principal: Principal, *, counts_as_present: bool = True) -> None:
        self.group: BroadcastGroup[Subscriber] | None = None
        self._position = NOWHERE
        self._raw_transport: RawTransport | None = None
        """The transport that the group's broadcasts write to; None while the subscriber is not a receiver."""
        self.principal = principal
        """Principal of the newest credentials of the connection."""
        self.subject = principal.subject
        """The subject whose connection limit the client counts for."""
        self.access_epoch: str | None = None
        """Epoch of the session for which `may_view` was decided; None before."""
        self.may_view = True
        """False while the session does not exist, as far as this client may know."""
        self.is_notified_of_expiry = False
        self.counts_as_present = counts_as_present
        self.participants: tuple[UUID, ...] = ()
        """The participants that this client is."""
        self.awaits_first_frame = True
        """True until `start`: all other frames wait for the first one."""
        self.is_busy = False
        """True while a command is executed: its answer is sent before the connection is closed."""
        self.blocked_since_s: float | None = None
        """Instant since which the transport has taken no queued frame, on the loop's clock."""
        self._queue: deque[Frame] = deque(maxlen=MAX_QUEUED)
        self._state: Frame | None = None
        self._sync: Frame | None = None
        self._presence: Frame | None = None
        self._last_frame: Frame | None = None
        self._close_reason: tuple[int, str] | None = None
        self._deleted_epoch: str | None = None
        self._is_ended = False
        self._is_idle = False
        """True while nothing is queued and nothing has to precede the next frame."""
        self._transport = transport
        transport.on_writable = self.flush
        transport.on_blocked = self._leave_broadcast
        transport.on_violation = self.close

    @property
    def position(self) -> Position:
        """Return the position of the latest state that the client has been given, or that is queued for it."""
        return self._position if self._raw_transport is None or self.group is None else self.group.position

    @position.setter
    def position(self, position: Position) -> None:
        self._leave_broadcast()
        self._position = position

    def _leave_broadcast(self) -> None:
        """Leave the group's broadcast, because a frame is queued or the transport is full."""
        self._is_idle = False
        if self._raw_transport is not None and self.group is not None:
            self._position = self.group.position
            self.group.leave(self._raw_transport)
            self._raw_transport = None

    def _join_broadcast(self) -> None:
        """Join the group's broadcast when nothing is queued, if the transport can be written to directly."""
        self._is_idle = True
        raw = self._transport.raw_transport if self.may_view else None
        if raw is not None and self.group is not None and self.group.join(self, raw, self._position):
            self._raw_transport = raw

    @property
    def is_closing(self) -> bool:
        """Return true once `close` has been called."""
        return self._close_reason is not None

    def check_access(self, session: SessionAccess, seats: SeatsBySubject | None = None) -> None:
        """Set the client's participants, and whether it may view the session; if it no longer may, close it."""
        self.access_epoch = session.epoch
        try:
            found = role_of(self.principal, session, seats)
        except Unauthenticated:
            self.hide_session()
            self.close(*CloseReason.CREDENTIALS_REVOKED.value)
            return
        if found is not None:
            self.may_view, self.participants = True, found.seats
            return
        given_epoch = self.position.epoch
        self.hide_session()
        if given_epoch is not None:  # another subject has its seat now, or it may not view the session that came after
            end = CloseReason.ACCESS_WITHDRAWN if given_epoch == session.epoch else CloseReason.SESSION_REPLACED
            self.close(*end.value)

    def hide_session(self) -> None:
        """Drop queued frames of the session and send no more of it, as if it did not exist."""
        self.may_view, self.participants = False, ()
        self.position, self._state, self._sync, self._presence = NOWHERE, None, None, None
        if self.awaits_first_frame:
            self._queue.clear()
            if self._deleted_epoch is not None:
                self._close_reason = self._last_frame = self._deleted_epoch = None

    @property
    def is_present(self) -> bool:
        """Return true for a client that is listed in the session's presence."""
        return self.counts_as_present and self.may_view

    def start(self, first: Frame | None, position: Position = NOWHERE) -> None:
        """Send this frame, which shows the state at `position`, before all queued ones.

        Queued states that are not newer are dropped. Without a frame the client has that state already.
        """
        self._leave_broadcast()
        if first is not None:
            self._queue.appendleft(first)
        if self._deleted_epoch is not None and position.epoch not in {None, self._deleted_epoch}:
            self._close_reason = self._last_frame = None  # the deleted session preceded this one
        given = self.position
        if position.epoch is not None and (given.epoch != position.epoch or given.version <= position.version):
            self.position, self._state = position, None
        self.awaits_first_frame = False
        self.flush()

    def try_send(self, position: Position, frame: Frame) -> bool:
        """Write a state at once if it is the next one, nothing is queued and the transport has space; else give False.

        It is the fast way of `offer_state`. After False nothing has changed. Receivers of a broadcast do not use it.
        """
        given = self._position
        if (
            self._is_idle
            and self.may_view
            and given[1] < position[1]
            and given[0] == position[0]
            and self._transport.try_write(frame)
        ):
            self._position = position
            self._join_broadcast()
            return True
        return False

    def offer_state(self, epoch: str, version: int, frame: Frame, notices: Iterable[Frame] = ()) -> None:
        """Queue a state with its notices; drop it when the client has been given this state or a newer one."""
        if not self.may_view or self._close_reason is not None or not self.position.is_before(epoch, version):
            return
        self.position = Position(epoch, version)
        if self._state is not None:
            metrics.SOCKET_FRAMES_CONFLATED.inc()
        self._state = frame
        self._queue.extend(notices)
        self.flush()

    def offer_presence(self, frame: Frame) -> None:
        """Queue a presence frame in place of an older one."""
        if self._close_reason is None and self.may_view:
            self._leave_broadcast()
            self._presence = frame
            self.flush()

    def enqueue(self, frame: Frame) -> None:
        """Queue an answer to a frame of the client."""
        self._leave_broadcast()
        self._queue.append(frame)
        self.flush()

    def enqueue_sync(self, position: Position, frame: Frame, asked_at: Position) -> bool:
        """Queue an answer that shows a state; `asked_at` is the client's position when the state was requested.

        Return False, and queue nothing, when the client has been given a newer state since: of the same session, or of
        one that was created later under its id.
        """
        given = self.position
        if given.epoch == position.epoch and given.version > position.version:
            return False
        if given.epoch not in {asked_at.epoch, position.epoch}:
            return False
        self.position, self._state, self._sync = position, None, frame
        self.flush()
        return True

    def close(self, code: int, reason: str, last: Frame | None = None, *, of_epoch: str | None = None) -> None:
        """Close the connection after the queued frames and a last one; `of_epoch` names the deleted session's epoch."""
        if self._close_reason is None:
            self._leave_broadcast()
            self._close_reason, self._last_frame, self._deleted_epoch = (code, reason), last, of_epoch
            self.flush()

    def abort(self) -> None:
        """Close the connection of a client that takes no frames, without sending what is queued."""
        if not self._is_ended:
            self._leave_broadcast()
            self._is_ended = True
            code, reason = self._close_reason or CloseReason.TOO_SLOW.value
            self._transport.force_close(code, reason)

    def detach(self) -> None:
        """Forget the transport of a client that has disconnected."""
        self._leave_broadcast()
        self._is_ended = True
        self._transport.on_writable = self._transport.on_blocked = self._transport.on_violation = None

    def flush(self) -> None:
        """Write queued frames while the transport has space."""
        if self.awaits_first_frame or self._is_ended:
            return
        transport = self._transport
        while transport.is_writable:
            frame = self._pop_next()
            if frame is None:
                self.blocked_since_s = None
                if self._close_reason is None:
                    if self._raw_transport is None:
                        self._join_broadcast()
                elif not self.is_busy:
                    self._is_ended = True
                    transport.close(*self._close_reason)
                return
            self.blocked_since_s = None
            metrics.SOCKET_FRAMES_OUT.inc()
            transport.write(frame)
        has_queued = self._queue or self._sync or self._state or self._presence or self._close_reason
        if self.blocked_since_s is None and has_queued:
            self.blocked_since_s = asyncio.get_running_loop().time()

    def _pop_next(self) -> Frame | None:
        if self._queue:
            return self._queue.popleft()
        frame, self._sync = self._sync, None
        if frame is None:
            frame, self._state = self._state, None
        if frame is None:
            frame, self._presence = self._presence, None
        if frame is None and not self.is_busy:
            frame, self._last_frame = self._last_frame, None
        return frame
