"""Decorator for Django views that answer GET and HEAD only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from synckairos.errors import MethodNotAllowed
from synckairos.http.drf import plain_answer

View = Callable[[HttpRequest], HttpResponse]


def read_only(view: View) -> View:
    """Answer other methods with the JSON error of the API, where Django's own decorators answer in HTML."""

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        refused = plain_answer(MethodNotAllowed())
        refused["Allow"] = "GET, HEAD"
        return refused

    return checked
