"""Delivery of one message of the group layer to the clients of this process."""

from __future__ import annotations

from sessions.announcements import HubMessage
from sessions.hub.broadcast_group import BroadcastGroup
from sessions.hub.position import Position
from sessions.hub.subscriber import Subscriber
from synckairos.auth.permissions import seats_by_subject
from synckairos.close_codes import CloseReason
from synckairos.telemetry import logs, metrics
from synckairos.webserver.transport import Frame

log = logs.get_logger(__name__)


class Delivery:
    """A message, prepared once for all subscribers."""

    def __init__(self, message: HubMessage) -> None:
        self._message = message
        self._position = Position(message.epoch, message.version)
        self._frame = Frame(message.state_frame)
        self._notices = [Frame(notice) for notice in message.notices]
        self._access_snapshot = snapshot = message.decode_access()
        self._seats = None if snapshot is None else seats_by_subject(snapshot)
        self._is_state_only = not (message.notices or message.is_deletion or snapshot is not None)
        """True for a state without notices that may be viewed by the same clients as before."""

    def deliver_to(self, group: BroadcastGroup[Subscriber]) -> None:
        """Give the message to each subscriber of a group: by broadcast where that suffices, else one by one."""
        position, frame, is_state_only = self._position, self._frame, self._is_state_only
        is_broadcast = is_state_only and group.position.epoch == position.epoch
        sent = group.broadcast(position, frame) if is_broadcast else 0
        for subscriber in group.non_receivers if is_broadcast else list(group.subscribers):
            try:
                if is_state_only and subscriber.try_send(position, frame):
                    sent += 1
                else:
                    self._offer(subscriber)
            except Exception:
                # One client's fault must not reach the others.
                metrics.SOCKET_FAULTS.inc()
                log.exception("client failed")
        metrics.SOCKET_FRAMES_OUT.inc(sent)  # one by one it would cost as much as the rest

    def _offer(self, subscriber: Subscriber) -> None:
        message = self._message
        if self._access_snapshot is not None and subscriber.position.is_before(message.epoch, message.version):
            # A client with a newer state has had its access checked by that state.
            subscriber.check_access(self._access_snapshot, self._seats)
        if not subscriber.may_view:
            return
        is_waiting = subscriber.awaits_first_frame and subscriber.access_epoch is None
        if subscriber.access_epoch != message.epoch and not is_waiting:
            return  # a late message of an older session under this id, or of one for which access was not checked
        if message.is_deletion:
            subscriber.close(*CloseReason.SESSION_DELETED.value, self._frame, of_epoch=message.epoch)
        else:
            subscriber.offer_state(message.epoch, message.version, self._frame, self._notices)
