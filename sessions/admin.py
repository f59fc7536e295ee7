"""The admin as a whole: our name, and the people and tokens that the libraries bring, shown as ours are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from rest_framework_simplejwt.token_blacklist.admin import BlacklistedTokenAdmin, OutstandingTokenAdmin
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from synckairos.showing import Shown

admin.site.site_header = "SyncKairos"
admin.site.site_title = "SyncKairos"
admin.site.index_title = "Audit and accounts"
admin.site.site_url = None  # there is no site to view: what we serve is an API

for model in (User, OutstandingToken, BlacklistedToken):
    admin.site.unregister(model)


@admin.register(User)
class Users(Shown, UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    good = ("is_active",)


@admin.register(OutstandingToken)
class OutstandingTokens(Shown, OutstandingTokenAdmin):
    fields = ("jti", "user", "created_at", "expires_at")
    """Not `token`, which is kept empty: who reads the database shall not be able to use it."""

    def has_change_permission(self, *_args: Any, **_options: Any) -> bool:
        """Nobody's: there is nothing to save."""
        return False


@admin.register(BlacklistedToken)
class BlacklistedTokens(Shown, BlacklistedTokenAdmin):
    pass
