"""Upgrades of HTTP connections to WebSockets: a request is judged by its method, version and fields.

A server may ignore an offer of another protocol (RFC 9110, 7.8): then the request is what it would be without the
offer. The parser stops at any offer and skips the body, so a request whose offer is ignored is parsed again without it.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from synckairos.errors import ApiError, UpgradeRequired, ValidationFailed
from synckairos.webserver import fair_queue

Fields = Sequence[tuple[bytes, bytes]]

_KEY_BYTES = 16
_VERSION = b"13"
_TOKENS = re.compile(rb"[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*(,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*)*")


class UpgradeProtocol(HttpToolsProtocol):
    """One HTTP connection, which may become a WebSocket."""

    _is_upgrade_ignored = False
    """True when the request that is being parsed offers another protocol, which is ignored."""
    _handshake_error: ApiError | None = None
    """The error that refuses the offer; None when the request is parsed again without it."""
    _is_upgrade_pending = False
    """True from an accepted offer until the connection changes its protocol, in its turn of the fair queue."""

    def data_received(self, data: bytes) -> None:
        """Parse data as Uvicorn does, without the loss of a request whose offer is ignored, or of what follows it."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            self._on_upgrade_offer(data, offer.args[0])
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _on_upgrade_offer(self, data: bytes, end: int) -> None:
        """Go on after a head that offers another protocol, at which the parser stops. More of them may follow."""
        left = memoryview(data)[end:]
        while self._is_upgrade_ignored and self._handshake_error is None:
            try:
                self._reparse_without_upgrade()
                self.parser.feed_data(left)
            except HttpParserUpgrade as offer:
                left = left[offer.args[0] :]
            except HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return
        if self._handshake_error is not None:
            self._reject(self._handshake_error)
        else:
            self.handle_websocket_upgrade()

    def handle_websocket_upgrade(self) -> None:
        """Change the protocol of the connection, in its turn of the fair queue (Uvicorn does it at once)."""
        self._is_upgrade_pending = True
        self.transport.pause_reading()  # what follows belongs to the other protocol
        fair_queue.handshakes.run(self._complete_upgrade)

    def _complete_upgrade(self) -> None:
        is_due, self._is_upgrade_pending = self._is_upgrade_pending, False
        if is_due and not self.transport.is_closing():
            self.transport.resume_reading()
            self.scope = {"method": "GET", "headers": self.headers}  # type: ignore[typeddict-item]  # all that is used
            super().handle_websocket_upgrade()

    def shutdown(self) -> None:
        """Close at the end of the process: a connection that waits for its turn becomes a WebSocket first."""
        if self._is_upgrade_pending:
            self._complete_upgrade()
            cast("UpgradeProtocol", self.transport.get_protocol()).shutdown()
        else:
            super().shutdown()

    def ignores_upgrade(self, refusal: ApiError | None) -> bool:
        """Return whether the offer of another protocol in a complete head is ignored. `refusal` is the error of that
        head, if it has one."""
        parser: Any = self.parser
        method = parser.get_method()
        is_handshake = method == b"GET" and parser.get_http_version() == "1.1" and self._get_upgrade() == b"websocket"
        if self._is_answering():
            is_handshake = False  # the answer to an earlier request would come between frames
        self._handshake_error = refusal
        if self._handshake_error is None and is_handshake:
            self._handshake_error = handshake_error(self.url, self.headers)
        elif self._handshake_error is None and method == b"CONNECT":
            self._handshake_error = ValidationFailed([("request", "CONNECT is for proxies.")])
        self._is_upgrade_ignored = self._handshake_error is not None or not is_handshake
        return self._is_upgrade_ignored

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _request_line(self) -> dict[str, Any]:
        """Return the parts of the scope, for the log, of a head whose offer was refused."""
        if not self._is_upgrade_ignored:
            return {}
        path, _, query = self.url.partition(b"?")
        asked = {"method": self.parser.get_method().decode("ascii"), "path": unquote(path.decode("latin-1"))}
        return {**asked, "raw_path": path, "query_string": query}

    def _reject(self, error: ApiError) -> None:
        """Answer with an error, and ignore further input."""
        raise NotImplementedError

    def _reparse_without_upgrade(self) -> None:
        parser: Any = self.parser
        head = [b"%s %s HTTP/%s\r\n" % (parser.get_method(), self.url, parser.get_http_version().encode())]
        head += [b"%s: %s\r\n" % field for field in _without_upgrade(self.headers)]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as Uvicorn's
        self._is_upgrade_ignored = False
        self.parser.feed_data(b"".join(head) + b"\r\n")


def _without_upgrade(fields: Fields) -> list[tuple[bytes, bytes]]:
    kept = []
    for name, value in fields:
        if name == b"connection":
            options = [option for option in value.split(b",") if option.strip().lower() not in {b"upgrade", b""}]
            if options:
                kept.append((name, b",".join(options)))
        elif name != b"upgrade":
            kept.append((name, value))
    return kept


def handshake_error(address: bytes, fields: Fields) -> ApiError | None:
    """Return the error of a handshake; None when it can be accepted."""
    told: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        told.setdefault(name, []).append(value.strip(b" \t"))
    if told.get(b"sec-websocket-version") != [_VERSION]:
        return UpgradeRequired("Only version 13 of the WebSocket protocol is spoken: Sec-WebSocket-Version: 13")
    for is_wrong, what in (
        (told.get(b"content-length", [b"0"]) != [b"0"] or b"transfer-encoding" in told, "A handshake has no body."),
        (not address.isascii(), "An address has ASCII characters only."),
        (len(told[b"upgrade"]) != 1, "Upgrade must name websocket alone."),
        (not _is_key(told.get(b"sec-websocket-key", [])), "Sec-WebSocket-Key must be 16 bytes in base64, once."),
        (not _are_tokens(told.get(b"sec-websocket-protocol", [])), "Sec-WebSocket-Protocol must be names."),
    ):
        if is_wrong:
            return ValidationFailed([("request", what)])
    return None


def _is_key(given: list[bytes]) -> bool:
    try:
        return len(given) == 1 and len(b64decode(given[0], validate=True)) == _KEY_BYTES
    except NoBase64:
        return False


def _are_tokens(given: list[bytes]) -> bool:
    return all(_TOKENS.fullmatch(value) for value in given)
