"""One message of the group layer on its way to the clients of this process."""

from __future__ import annotations

from sessions.announcements import HubMessage
from sessions.hub.broadcast_group import Step
from sessions.hub.subscriber import Outlet, Position
from synckairos.auth.permissions import seats_by_subject
from synckairos.close_codes import CloseReason
from synckairos.telemetry import logs, metrics
from synckairos.webserver.transport import Frame

log = logs.get_logger(__name__)


class Delivery:
    """A message, prepared once for all of them."""

    def __init__(self, message: HubMessage) -> None:
        self._message = message
        self._shown = Position(message.epoch, message.version)
        self._frame = Frame(message.state_frame)
        self._notices = [Frame(notice) for notice in message.notices]
        self._access_snapshot = message.access_snapshot
        self._seats = None if message.access_snapshot is None else seats_by_subject(message.access_snapshot)
        self._is_plain = not (message.notices or message.is_deletion or message.access_snapshot is not None)
        """Nothing but a state, and to the same people as before."""

    def to(self, step: Step) -> None:
        """Give it to these clients."""
        shown, frame, is_plain = self._shown, self._frame, self._is_plain
        goes_in_step = is_plain and step.position.epoch == shown.epoch
        passed = step.pass_on(shown, frame) if goes_in_step else 0
        for outlet in step.others if goes_in_step else list(step.outlets):
            try:
                if is_plain and outlet.pass_on(shown, frame):
                    passed += 1
                else:
                    self._offer(outlet)
            except Exception:
                # One client's fault must not reach the others.
                metrics.SOCKET_FAULTS.inc()
                log.exception("client failed")
        metrics.SOCKET_FRAMES_OUT.inc(passed)  # one by one it would cost as much as the rest

    def _offer(self, outlet: Outlet) -> None:
        message = self._message
        if self._access_snapshot is not None and outlet.position.is_before(message.epoch, message.version):
            outlet.judge(self._access_snapshot, self._seats)  # whoever has been shown a newer state was judged by that
        if outlet.is_hidden_from:
            return
        is_waiting = outlet.is_held and outlet.judged_epoch is None
        if outlet.judged_epoch != message.epoch and not is_waiting:
            return  # a late word of an older session under this id, or of one that the client was not judged for
        if message.is_deletion:
            outlet.finish(*CloseReason.SESSION_DELETED.value, self._frame, of_epoch=message.epoch)
        else:
            outlet.offer_state(message.epoch, message.version, self._frame, self._notices)
