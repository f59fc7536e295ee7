"""The account of a person who is erased. It stays as an empty one: lines of the admin's log need the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

ERASED_NAME = "erased-"
"""The beginning of the name of an account that was erased; random digits follow."""


def erase_account(name: str) -> int:
    """Empty the account of this name, end all its refresh tokens, and return the number of values that were erased.

    It can log in no more.
    """
    model: Any = get_user_model()
    with transaction.atomic():
        user = model.objects.select_for_update().filter(**{model.USERNAME_FIELD: name}).first()
        if user is None:
            return 0
        tokens = OutstandingToken.objects.filter(user=user)
        BlacklistedToken.objects.filter(token__in=tokens).delete()
        erased = tokens.delete()[0]
        user.username = f"{ERASED_NAME}{uuid4().hex}"
        user.first_name = user.last_name = user.email = ""
        user.is_active = user.is_staff = user.is_superuser = False
        user.last_login = None
        user.set_unusable_password()
        user.groups.clear()
        user.user_permissions.clear()
        user.save()
        return erased + 1


def erase_from_admin_log(is_mentioned: Callable[[str], bool], name: str, text: str) -> int:
    """Put a text in the place of objects' names in the admin's log that mention a name, and return their number."""
    rows = LogEntry.objects.filter(Q(object_repr__contains=name) | Q(change_message__contains=name))
    told = rows.values_list("pk", "object_repr", "change_message")
    found = [pk for pk, *texts in told if any(map(is_mentioned, texts))]
    return LogEntry.objects.filter(pk__in=found).update(object_repr=text, change_message="")
