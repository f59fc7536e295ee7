"""The app. Its label is its own, because Django's session app owns `sessions`."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.apps import AppConfig
from django.core.exceptions import ValidationError

from synckairos.auth.names import NAME_RULE, is_name


class SyncSessionsConfig(AppConfig):
    name = "sessions"
    label = "sync_sessions"
    verbose_name = "Sync sessions"

    def ready(self) -> None:
        """A user gets no name that no token could carry, in the admin or by `createsuperuser`."""
        from django.contrib.auth import get_user_model  # noqa: PLC0415 - models come after the apps

        user = get_user_model()
        name: Any = user._meta.get_field(user.USERNAME_FIELD)  # noqa: SLF001 - public in spite of its name
        name.validators.append(validate_name)


def validate_name(value: str) -> None:
    """Django's validator for the name of a user, which it would keep in another form (NFKC). Raises ValidationError."""
    if not is_name(value):
        raise ValidationError(f"Expected a name: {NAME_RULE}")
    if unicodedata.normalize("NFKC", value) != value:
        raise ValidationError("Expected a name without compatibility characters, such as letters of full width.")
