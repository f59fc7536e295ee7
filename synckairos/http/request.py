"""Reads a request of an ASGI endpoint in front of Django: header fields, query parameters, principal.

Long polls and event streams use it: in Django, each would hold a thread while it waits.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from synckairos.auth.principal import Principal, authenticate, bearer_token
from synckairos.errors import Unauthenticated, ValidationFailed
from synckairos.http.asgi import header, server_request_of
from synckairos.http.parameters import query_parameters
from synckairos.telemetry import log_context

_MAX_DIGITS = 20


class AsgiRequest:
    """One HTTP request, whose parts are parsed when they are needed."""

    def __init__(self, scope: dict[str, Any], allowed_parameters: Collection[str]) -> None:
        """Parse the query. Raises ValidationFailed for parameters other than `allowed_parameters`."""
        self.scope = scope
        self.query = query_parameters(scope["query_string"], allowed_parameters)

    def header(self, name: bytes) -> str | None:
        """Return the value of a header field by its lower-case name, or None."""
        return header(self.scope, name)

    def parameter(self, name: str) -> str | None:
        """Return a query parameter, or None."""
        return self.query.get(name)

    def integer(self, name: str, lowest: int, highest: int) -> int | None:
        """Return a query parameter as an integer, or None. Raises ValidationFailed outside of the bounds."""
        text = self.parameter(name)
        if text is None:
            return None
        is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
        if not (is_number and lowest <= int(text) <= highest):
            raise ValidationFailed([(name, f"Must be a whole number from {lowest} to {highest}.")])
        return int(text)

    def abort(self) -> None:
        """Close the connection at once, if the server supports that."""
        request = server_request_of(self.scope)
        if request is not None:
            request.abort()

    def principal(self) -> Principal:
        """Return the principal that the `Authorization` header proves. Raises Unauthenticated."""
        token = bearer_token(self.header(b"authorization"))
        if token is None:
            raise Unauthenticated
        principal = authenticate(token)
        log_context.bind(principal=principal.subject)
        return principal
