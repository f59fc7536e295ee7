"""Login view of the Django admin, with the rate limits of `/v1/token`."""

from __future__ import annotations

from http import HTTPStatus

from django import forms
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.http import HttpRequest, HttpResponse

from synckairos.errors import ApiError
from synckairos.http import client_address, security_log
from synckairos.http.django_views import json_error_response
from synckairos.http.security_log import Reason
from synckairos.ratelimit import limits
from synckairos.ratelimit.drf import set_rate_limit_headers
from synckairos.telemetry import log_context


class UntrimmedAuthenticationForm(AdminAuthenticationForm):
    """The login form with the name as typed, as `/v1/token` takes it. Django's own form trims spaces."""

    username = forms.CharField(
        strip=False, widget=forms.TextInput({"autofocus": True, "autocapitalize": "none", "autocomplete": "username"})
    )


admin.site.login_form = UntrimmedAuthenticationForm


def admin_login(request: HttpRequest) -> HttpResponse:
    """Answer the login form. With the state store away logins are not counted, so none is accepted (503)."""
    log_context.bind(route="/admin/login/")
    if request.method != "POST":
        return admin.site.login(request)
    limiter, address = limits.RateLimiter(), client_address.of_request(request)
    try:
        limiter.consume(limits.login_by_address(address))
        limiter.consume(limits.login_by_name(request.POST.get("username", "")))
        answer: HttpResponse = admin.site.login(request)
        if answer.status_code == HTTPStatus.OK:  # the form again; a successful login redirects
            security_log.log_refusal(Reason.FAILED_ADMIN_LOGIN, address)
    except ApiError as error:
        answer = json_error_response(error)
    set_rate_limit_headers(answer, limiter)
    return answer
