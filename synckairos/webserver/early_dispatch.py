"""Whole requests are shown to the first door (`Door` in synckairos/http/asgi.py) before the application has a task.

Leans on names of Uvicorn's that are not public; tests/synckairos/webserver/ fails when these change.
"""

from __future__ import annotations

import weakref
from asyncio import TimerHandle
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from synckairos.conf import conf
from synckairos.errors import InternalError, RequestTimeout
from synckairos.http.asgi import Door, Scope, exchange_of
from synckairos.telemetry import logs
from synckairos.webserver.exchange import Exchange, will_be_small
from synckairos.webserver.upgrade import Upgrading

log = logs.get_logger(__name__)


class ShownFirst(Upgrading):
    """One HTTP connection, whose requests each have an `Exchange`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._first: Door | None = getattr(self.app, "first", None)
        self._weakly = weakref.ref(self)
        self._held: RequestResponseCycle | None = None
        """One that may be for the first door, until it is whole."""
        self._late: TimerHandle | None = None
        """Ends a body that does not come."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Uvicorn begins with a request."""
        door, exchange = self._first, _exchange_of(cycle)
        if door is None or exchange is None or exchange.refusal is not None or cycle.waiting_for_100_continue:
            door = None
        if door is None or exchange is None or not door.knows(cast("Scope", cycle.scope)):
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._held = cycle
        else:
            self._show(cycle, door, exchange)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held is not None and self._late is None:
            self._await_body(self._held)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        held, self._held = self._held, None
        exchange = None if held is None else _exchange_of(held)
        if held is not None and self._first is not None and exchange is not None:
            self._stop_awaiting()
            self._show(held, self._first, exchange)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._held is not None and self._late is None:  # the next one had begun to come already
            self._await_body(self._held)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._release()

    def _show(self, cycle: RequestResponseCycle, door: Door, exchange: Exchange) -> None:
        """To the first door, a request that is whole."""
        exchange.keep(cycle)
        can_be_answered = not cycle.flow.write_paused and len(cycle.body) <= conf().max_body_bytes
        try:
            if can_be_answered and door.serves(cast("Scope", cycle.scope), bytes(cycle.body), exchange):
                return
        except Exception:
            log.exception("request failed")
            exchange.refusal = InternalError()
        exchange.pass_on()

    def pass_on(self, cycle: RequestResponseCycle) -> None:
        """Let the application answer."""
        super()._start_asgi_task(cycle, self.app)

    def _await_body(self, held: RequestResponseCycle) -> None:
        """Many clients send a body apart from its head."""
        if will_be_small(held):
            self._late = self.loop.call_later(conf().body_timeout_s, self._body_is_late)
        else:
            self._release()

    def _stop_awaiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _body_is_late(self) -> None:
        exchange = None if self._held is None else _exchange_of(self._held)
        if exchange is not None:
            exchange.refusal = RequestTimeout()
        self._release()

    def _release(self) -> None:
        """The application asks for the rest of it, if there is any."""
        self._stop_awaiting()
        held, self._held = self._held, None
        if held is not None:
            self.pass_on(held)


def _exchange_of(cycle: RequestResponseCycle) -> Exchange | None:
    return cast("Exchange | None", exchange_of(cast("Scope", cycle.scope)))
