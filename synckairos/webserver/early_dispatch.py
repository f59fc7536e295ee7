"""Early dispatch: whole requests go to an early handler before the application has a task (docs/webserver.md).

This module uses names of Uvicorn that are not public; tests/synckairos/webserver/ fails when these change.
"""

from __future__ import annotations

import re
from asyncio import TimerHandle
from asyncio.transports import Transport
from typing import Any, cast
from urllib.parse import unquote

from httptools import parse_url

from synckairos.conf import conf
from synckairos.errors import ApiError, InternalError, RequestTimeout
from synckairos.http.asgi import EarlyHandler, Scope
from synckairos.telemetry import logs
from synckairos.webserver.cycle import Cycle
from synckairos.webserver.idle_timer import IdleTimer
from synckairos.webserver.upgrade import UpgradeProtocol

log = logs.get_logger(__name__)

_PLAIN_PATH = re.compile(rb"/[\w/-]*")
"""An address that is nothing but a path."""


class EarlyDispatch(UpgradeProtocol):
    """One HTTP connection, whose requests go to the early handler of the application first."""

    cycle: Cycle
    common_scope: Scope
    """The parts of an ASGI scope that are the same for all requests of the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handler: EarlyHandler | None = getattr(self.app, "early_handler", None)
        self._held: Cycle | None = None
        """A request that matches, until it is whole."""
        self._body_timer: TimerHandle | None = None
        self.idle = IdleTimer(self.loop, self.timeout_keep_alive, self.end)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.common_scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "state": self.app_state,
        }

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def start_cycle(self, refusal: ApiError | None) -> None:
        """Begin with a request whose head is complete, in its turn."""
        parser: Any = self.parser
        raw_path, query_string, version = self.url, b"", parser.get_http_version()
        if not _PLAIN_PATH.fullmatch(raw_path):
            url = parse_url(raw_path)
            raw_path, query_string = url.path, url.query or b""
        path = raw_path.decode("ascii")
        if version != self.common_scope["http_version"]:
            self.common_scope = {**self.common_scope, "http_version": version}
        before = self.cycle
        self.cycle = cycle = Cycle(
            self,
            method=parser.get_method().decode("ascii"),
            path=unquote(path) if "%" in path else path,
            raw_path=raw_path,
            query_string=query_string,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            expect_100_continue=self.expect_100_continue,
        )
        if refusal is not None:
            cycle.refusal = refusal
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _start_asgi_task(self, cycle: Cycle, app: Any) -> None:  # type: ignore[override]
        """Dispatch a request whose turn it is."""
        del app  # there is one
        handler = self._handler
        if (
            handler is None
            or cycle.refusal is not None
            or cycle.waiting_for_100_continue
            or not handler.matches(cycle.method, cycle.path)
        ):
            self.forward(cycle)
        elif cycle.more_body:
            self._held = cycle
        else:
            self._dispatch(cycle, handler)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held is not None and self._body_timer is None:
            self._start_body_timer(self._held)

    def on_body(self, body: bytes) -> None:
        if not self.cycle.body:
            self.cycle.body = bytearray()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        held, self._held = self._held, None
        if held is not None and self._handler is not None:
            self._stop_body_timer()
            self._dispatch(held, self._handler)

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cast("Cycle", cycle), app)
        else:
            self.idle.start()
        if self._held is not None and self._body_timer is None:  # the next one had begun to come already
            self._start_body_timer(self._held)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.idle.close()
        self._release()

    def _dispatch(self, cycle: Cycle, handler: EarlyHandler) -> None:
        """Give a request that is whole to the early handler, or to the application."""
        can_be_answered = not self.flow.write_paused and len(cycle.body) <= conf().max_body_bytes
        try:
            if can_be_answered and handler.try_handle(cycle):
                return
        except Exception:
            log.exception("request failed")
            cycle.refusal = InternalError()
        self.forward(cycle)

    def forward(self, cycle: Cycle) -> None:
        """Have the application answer, in a task."""
        cycle.prepare(self)
        super()._start_asgi_task(cycle, self.app)

    def end(self) -> None:
        """Close the connection after what was written."""
        raise NotImplementedError

    def _start_body_timer(self, held: Cycle) -> None:
        """Limit the time of a body: many clients send it apart from its head."""
        if held.will_be_small():
            self._body_timer = self.loop.call_later(conf().body_timeout_s, self._on_body_timeout)
        else:
            self._release()

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _on_body_timeout(self) -> None:
        if self._held is not None:
            self._held.refusal = RequestTimeout()
        self._release()

    def _release(self) -> None:
        """Have the application read the rest of a body."""
        self._stop_body_timer()
        held, self._held = self._held, None
        if held is not None:
            self.forward(held)
