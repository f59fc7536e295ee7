"""Decorator for Django views that answer GET and HEAD only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from synckairos.errors import MethodNotAllowed
from synckairos.http.drf import json_error_response
from synckairos.telemetry import log_context

View = Callable[[HttpRequest], HttpResponse]


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
