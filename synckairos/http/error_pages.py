"""HTML error page of the admin. It needs no database, no session and no template."""

from __future__ import annotations

from html import escape

from django.http import HttpRequest, HttpResponse

from synckairos.errors import ApiError
from synckairos.http.error_responses import fields_of

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


def is_page_request(request: HttpRequest) -> bool:
    """Return true when errors are answered with a page, not in JSON."""
    return request.path.startswith(_ADMIN)


def error_page(error: ApiError) -> HttpResponse:
    """Return the HTML page for an error."""
    again = error.retry_after_seconds is not None
    advice = "Nothing is wrong with your account. Please reload this page in a moment." if again else ""
    page = _PAGE.format(status=error.http_status, message=escape(error.text), advice=advice)
    return HttpResponse(page, status=error.http_status, headers=fields_of(error))
