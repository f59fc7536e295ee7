"""Batches of lines sent to an InfluxDB, one after the other: the next one waits for the answer to the one before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

import httpx

TIMEOUT_S = 30.0
MAX_TRIES = 8
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_TEMPORARY = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_SHOWN = 300
"""Characters of an answer that an error shows."""


class Rejected(Exception):
    """The server did not take a batch; the text says why, without the address and the token."""


def send(
    url: str,
    token: str | None,
    parts: Iterable[bytes],
    *,
    wait: Callable[[float], None] = time.sleep,
    transport: httpx.BaseTransport | None = None,
) -> None:
    """Send each part in a request of its own, and again while the server is busy or away.

    A part that is sent twice leaves the same points. Raises Rejected when the server refuses one, or is away for
    MAX_TRIES requests.
    """
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if token:
        headers["Authorization"] = f"Token {token}"
    with httpx.Client(headers=headers, timeout=TIMEOUT_S, transport=transport) as client:
        for part in parts:
            _send_one(client, url, part, wait)


def _send_one(client: httpx.Client, url: str, part: bytes, wait: Callable[[float], None]) -> None:
    problem = ""
    for number in range(MAX_TRIES):
        wait_s = min(_FIRST_WAIT_S * 2**number, _LONGEST_WAIT_S)
        try:
            answer = client.post(url, content=part)
        except httpx.TransportError as fault:
            problem = type(fault).__name__
        else:
            if answer.is_success:
                return
            problem = f"{answer.status_code} {answer.text[:_SHOWN]}".strip()
            if answer.status_code not in _TEMPORARY:
                raise Rejected(f"The InfluxDB refuses the events: {problem}")
            after = answer.headers.get("Retry-After", "")
            wait_s = min(float(after), _LONGEST_WAIT_S) if after.isdigit() else wait_s
        if number + 1 < MAX_TRIES:
            wait(wait_s)
    raise Rejected(f"The InfluxDB does not take the events, after {MAX_TRIES} requests: {problem}")
