"""Plain Django views: those that only answer GET and HEAD, and the answers to errors, in JSON or as a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from html import escape

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from synckairos.errors import (
    ApiError,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    ValidationFailed,
)
from synckairos.http.drf import WHOLE_REQUEST, as_api_error
from synckairos.http.error_responses import fields_of
from synckairos.telemetry import log_context

View = Callable[[HttpRequest], HttpResponse]

_ADMIN = "/admin"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{status} SyncKairos</title>
<body style="font: 1rem system-ui, sans-serif; margin: 4rem auto; max-width: 40rem">
<h1 style="font-size: 1.25rem">{message}</h1>
<p>{advice}</p>
</body>
</html>
"""
"""The page for an error of the admin. It needs no database, no session and no template."""


def read_only(view: View) -> View:
    """Name the view's address in the logs, and answer other methods with the JSON error of the API. (Django's own
    decorators answer in HTML.)"""

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            log_context.bind(route=request.path_info)
            return view(request)
        refused = json_error_response(MethodNotAllowed())
        refused["Allow"] = "GET, HEAD"
        return refused

    return checked


def json_error_response(error: ApiError) -> HttpResponse:
    """Return the documented response to an error, for Django views that are not DRF's."""
    return JsonResponse({"error": error.body()}, status=error.http_status, headers=fields_of(error))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 in JSON (`handler400` of the URL configuration)."""
    return json_error_response(ValidationFailed([(WHOLE_REQUEST, "Bad request.")]))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 in JSON (`handler403` of the URL configuration)."""
    return json_error_response(Forbidden())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 in JSON (`handler404` of the URL configuration)."""
    return json_error_response(NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception of a Django view that is not DRF's, or of the middleware (`handler500`)."""
    exc = sys.exc_info()[1]
    error = as_api_error(exc) if isinstance(exc, Exception) else InternalError()
    if isinstance(error, ServiceUnavailable) and request.path.startswith(_ADMIN):
        return _error_page(error)
    return json_error_response(error)


def _error_page(error: ApiError) -> HttpResponse:
    again = error.retry_after_seconds is not None
    advice = "Nothing is wrong with your account. Please reload this page in a moment." if again else ""
    page = _PAGE.format(status=error.http_status, message=escape(error.text), advice=advice)
    return HttpResponse(page, status=error.http_status, headers=fields_of(error))
