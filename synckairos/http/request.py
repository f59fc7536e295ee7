"""A request at an endpoint in front of Django: who asks, and for what.

For requests that wait: Django's middleware would hold a thread for each.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from synckairos.auth.principal import Principal, authenticate, bearer_token
from synckairos.errors import Unauthenticated, ValidationFailed
from synckairos.http.asgi import server_request_of
from synckairos.http.parameters import query_parameters
from synckairos.telemetry import log_context

_MAX_DIGITS = 20


class AsgiRequest:
    """One request, read as far as it is asked for."""

    def __init__(self, scope: dict[str, Any], allowed_parameters: Collection[str]) -> None:
        """`allowed_parameters` are the parameters that its address may have. Raises ValidationFailed for others."""
        self.scope = scope
        self.query = query_parameters(scope["query_string"], allowed_parameters)

    def header(self, name: bytes) -> str | None:
        """A header's value, by its lower-case name."""
        for key, value in self.scope["headers"]:
            if key.lower() == name:
                text: str = value.decode("latin-1")
                return text
        return None

    def parameter(self, name: str) -> str | None:
        """A parameter of the address."""
        return self.query.get(name)

    def integer(self, name: str, lowest: int, highest: int) -> int | None:
        """A parameter that is a whole number. Raises ValidationFailed."""
        text = self.parameter(name)
        if text is None:
            return None
        is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
        if not (is_number and lowest <= int(text) <= highest):
            raise ValidationFailed([(name, f"Must be a whole number from {lowest} to {highest}.")])
        return int(text)

    def abort(self) -> None:
        """Cut the connection, when the server offers that."""
        request = server_request_of(self.scope)
        if request is not None:
            request.abort()

    def principal(self) -> Principal:
        """Who asks, by the `Authorization` header. Raises Unauthenticated."""
        token = bearer_token(self.header(b"authorization"))
        if token is None:
            raise Unauthenticated
        principal = authenticate(token)
        log_context.bind(principal=principal.subject)
        return principal
