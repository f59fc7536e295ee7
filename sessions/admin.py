"""The admin as a whole: our name, and the people and tokens that the libraries bring, shown as ours are."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import User
from rest_framework_simplejwt.token_blacklist.admin import BlacklistedTokenAdmin, OutstandingTokenAdmin
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from synckairos.admin_display import FormattedAdmin

admin.site.site_header = "SyncKairos"
admin.site.site_title = "SyncKairos"
admin.site.index_title = "Audit and accounts"
admin.site.site_url = None  # there is no site to view: what we serve is an API

for model in (User, OutstandingToken, BlacklistedToken):
    admin.site.unregister(model)


class Typed(forms.CharField):
    """A user's name as it was typed; the library's field would trim and translate it (sessions/apps.py refuses)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "strip": False})


class NewUser(AdminUserCreationForm):  # type: ignore[type-arg]
    """The form of a new user."""

    class Meta(AdminUserCreationForm.Meta):
        field_classes: ClassVar = {"username": Typed}


class ChangedUser(UserChangeForm):  # type: ignore[type-arg]
    """A user as it stands."""

    class Meta(UserChangeForm.Meta):
        field_classes: ClassVar = {"username": Typed}


@admin.register(User)
class Users(FormattedAdmin, UserAdmin):  # type: ignore[type-arg]
    form, add_form = ChangedUser, NewUser
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    good_flags = ("is_active",)


@admin.register(OutstandingToken)
class OutstandingTokens(FormattedAdmin, OutstandingTokenAdmin):
    fields = ("jti", "user", "created_at", "expires_at")
    """Not `token`, which holds no token but the ids of the last exchange (synckairos/auth/refresh_tokens.py)."""

    def has_change_permission(self, *_args: Any, **_options: Any) -> bool:
        """Nobody's: there is nothing to save."""
        return False


@admin.register(BlacklistedToken)
class BlacklistedTokens(FormattedAdmin, BlacklistedTokenAdmin):
    pass
