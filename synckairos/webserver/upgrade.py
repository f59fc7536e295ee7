"""Which requests become WebSockets: judged by method, version and fields before anything is handed over.

An offer to go on in another protocol is one that a server may ignore (RFC 9110, 7.8): then the request is what it would
be without it. The parser, though, stops at any offer and skips the body. So a request whose offer is ignored is parsed
anew, without the offer.
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


class Upgrading(HttpToolsProtocol):
    """One HTTP connection, which may become a WebSocket."""

    _is_ignored = False
    """The request being parsed offers another protocol in vain."""
    _fault: ApiError | None = None
    """Why that is refused; None when it only is parsed anew, without its offer."""
    _is_becoming_a_socket = False
    """From an offer that is taken up until the connection is handed over, which happens in its turn."""

    def data_received(self, data: bytes) -> None:
        """As Uvicorn does, but that nothing is lost of a request whose offer is ignored, or of what follows it."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            self._offered(data, offer.args[0])
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _offered(self, data: bytes, end: int) -> None:
        """The parser has stopped behind a head that offers another protocol. More of them may follow."""
        left = memoryview(data)[end:]
        while self._is_ignored and self._fault is None:
            try:
                self._parse_anew()
                self.parser.feed_data(left)
            except HttpParserUpgrade as offer:
                left = left[offer.args[0] :]
            except HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return
        if self._fault is not None:
            self._refuse_now(self._fault)
        else:
            self.handle_websocket_upgrade()

    def handle_websocket_upgrade(self) -> None:
        """Uvicorn hands the connection over at once; here those that come together take turns."""
        self._is_becoming_a_socket = True
        self.transport.pause_reading()  # what follows is the other protocol's
        fair_queue.handshakes.take(self._become_a_socket)

    def _become_a_socket(self) -> None:
        is_due, self._is_becoming_a_socket = self._is_becoming_a_socket, False
        if is_due and not self.transport.is_closing():
            self.transport.resume_reading()
            self.scope = {"method": "GET", "headers": self.headers}  # type: ignore[typeddict-item]  # all that is used
            super().handle_websocket_upgrade()

    def shutdown(self) -> None:
        """The process ends: who waits for a turn is told so as a socket."""
        if self._is_becoming_a_socket:
            self._become_a_socket()
            cast("Upgrading", self.transport.get_protocol()).shutdown()
        else:
            super().shutdown()

    def ignores_offer(self, refusal: ApiError | None) -> bool:
        """Whether the head, which is complete and offers another protocol, does so in vain. `refusal` is what is wrong
        with it already."""
        parser: Any = self.parser
        method = parser.get_method()
        is_handshake = method == b"GET" and parser.get_http_version() == "1.1" and self._get_upgrade() == b"websocket"
        if self._is_answering():
            is_handshake = False  # what is to be answered before would come in the midst of frames
        self._fault = refusal
        if self._fault is None and is_handshake:
            self._fault = fault_of(self.url, self.headers)
        elif self._fault is None and method == b"CONNECT":
            self._fault = ValidationFailed([("request", "CONNECT is for proxies.")])
        self._is_ignored = self._fault is not None or not is_handshake
        return self._is_ignored

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _asked(self) -> dict[str, Any]:
        """What is asked for by a head that was not looked at any further, for the log."""
        if not self._is_ignored:
            return {}
        path, _, query = self.url.partition(b"?")
        asked = {"method": self.parser.get_method().decode("ascii"), "path": unquote(path.decode("latin-1"))}
        return {**asked, "raw_path": path, "query_string": query}

    def _refuse_now(self, error: ApiError) -> None:
        """Answer with an error, and hear no more."""
        raise NotImplementedError

    def _parse_anew(self) -> None:
        parser: Any = self.parser
        head = [b"%s %s HTTP/%s\r\n" % (parser.get_method(), self.url, parser.get_http_version().encode())]
        head += [b"%s: %s\r\n" % field for field in _without_offer(self.headers)]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as Uvicorn's
        self._is_ignored = False
        self.parser.feed_data(b"".join(head) + b"\r\n")


def _without_offer(fields: Fields) -> list[tuple[bytes, bytes]]:
    kept = []
    for name, value in fields:
        if name == b"connection":
            options = [option for option in value.split(b",") if option.strip().lower() not in {b"upgrade", b""}]
            if options:
                kept.append((name, b",".join(options)))
        elif name != b"upgrade":
            kept.append((name, value))
    return kept


def fault_of(address: bytes, fields: Fields) -> ApiError | None:
    """What is wrong with a handshake; None when it can be accepted."""
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
