"""Base of all REST views: JSON parser and renderer, bearer authentication, and one exception handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from synckairos.auth.principal import Principal, authenticate, bearer_token
from synckairos.errors import (
    ApiError,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RateLimitExceeded,
    ServiceUnavailable,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from synckairos.http import error_responses, json_bounds
from synckairos.http.duplicate_names import DuplicateName, check_unique_names
from synckairos.http.parameters import check_charset
from synckairos.keyed_hash import log_name
from synckairos.telemetry import log_context, logs

log = logs.get_logger(__name__)

WHOLE_BODY = "body"
"""Field name of an error that concerns the body as a whole."""
WHOLE_REQUEST = "request"
"""Field name of an error that concerns the request as a whole."""


class JSONParser(BaseParser):
    """Strict JSON: UTF-8, no NaN, no NUL characters (the audit database has no place for them)."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the decoded body. Raises ValidationFailed for anything that is not strict JSON."""
        check_charset(media_type)
        raw = stream.read()
        if not raw.strip():
            return {}
        if (excess := json_bounds.size_error(raw)) is not None:
            raise ValidationFailed([(WHOLE_BODY, excess)])
        try:
            data = json_bounds.decode(raw)
            msgspec.json.encode(data)  # lone surrogates decode but can be written nowhere
            check_unique_names(raw, data)
        except DuplicateName:
            raise ValidationFailed([(WHOLE_BODY, "An object has a name twice.")]) from None
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise ValidationFailed([(WHOLE_BODY, "Malformed JSON.")]) from None
        if b"\\u0000" in raw and any("\0" in text for text in _strings_in(data)):
            raise ValidationFailed([(WHOLE_BODY, "NUL characters are not allowed.")])
        return data


def _strings_in(data: Any) -> Iterator[str]:
    """Yield every string, keys included, without recursion: a body may nest deeper than Python's stack allows."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item


class JSONRenderer(BaseRenderer):
    """JSON by msgspec: views (structs) are encoded as they are."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        """Return the encoded body; empty for a response without data."""
        return b"" if data is None else msgspec.json.encode(data, enc_hook=str)


class JSONNegotiation(DefaultContentNegotiation):
    """Answers in JSON whatever `Accept` requests; pages of the API documents have a renderer of their own."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """Return the first renderer of the view."""
        return renderers[0], renderers[0].media_type


class BearerAuthentication(BaseAuthentication):
    """Authenticates by `Authorization: Bearer <token>`, without a database query."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Return the principal; None without credentials. Raises Unauthenticated for invalid ones."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        principal = authenticate(bearer_token(header) or "")
        log_context.bind(principal=log_name(principal.subject))
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 response."""
        return "Bearer"


def exception_handler(exc: Exception, handler_context: Any) -> Response:
    """Return the documented response to an exception. Unexpected ones are logged and become INTERNAL_ERROR."""
    error = as_api_error(exc)
    return Response({"error": error.body()}, status=error.http_status, headers=error_responses.fields_of(error))


def as_api_error(exc: Exception) -> ApiError:  # noqa: C901, PLR0911 - one arm for each kind
    """Return the API error for an exception of the product, of DRF or of Django."""
    match exc:
        case ApiError():
            return exc
        case drf.ParseError():
            return ValidationFailed([(WHOLE_BODY, "Malformed JSON.")])
        case SuspiciousOperation():  # for example, too many query parameters
            return ValidationFailed([(WHOLE_REQUEST, "Bad request.")])
        case drf.NotAuthenticated() | drf.AuthenticationFailed():
            return Unauthenticated()
        case drf.PermissionDenied() | PermissionDenied():
            return Forbidden()
        case drf.NotFound() | Http404():
            return NotFound()
        case drf.MethodNotAllowed():
            return MethodNotAllowed()
        case drf.UnsupportedMediaType():
            return UnsupportedMediaType()
        case drf.Throttled():
            return RateLimitExceeded(1)
        case OperationalError() | InterfaceError():  # down, overloaded or slow: temporary
            log.warning("database cannot serve", error=type(exc).__name__)
            return ServiceUnavailable("The database cannot serve: ask again after a moment")
        case _:
            log.error("unforeseen error", exc_info=exc)
            return InternalError()
