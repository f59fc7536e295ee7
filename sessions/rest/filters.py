"""The query parameters that choose sessions, for lists and exports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from audit.listing import Filters
from audit.models import MAX_LABEL_VALUE
from synckairos.auth.names import MAX_NAME_LENGTH
from synckairos.conf import conf
from synckairos.engine.units import Status, SyncMode
from synckairos.errors import ValidationFailed
from synckairos.instants import from_iso

FILTERS = ("status", "mode", "created_from", "created_to", "user_id", "label")
E = TypeVar("E", bound=StrEnum)


def filters_of(query: Mapping[str, str]) -> Filters:
    """Return the filters of a query. Raises ValidationFailed with every wrong parameter."""
    problems: list[tuple[str, str]] = []
    filters = Filters(
        status=_choice(query, "status", Status, problems),
        mode=_choice(query, "mode", SyncMode, problems),
        created_from=instant(query, "created_from", problems),
        created_to=instant(query, "created_to", problems),
        user_id=_text(query, "user_id", problems),
        label=_label(query, problems),
    )
    if problems:
        raise ValidationFailed(problems)
    return filters


def _choice(query: Mapping[str, str], name: str, kind: type[E], problems: list[tuple[str, str]]) -> E | None:
    text = query.get(name)
    if text is None:
        return None
    values = [one.value for one in kind]
    if text in values:
        return kind(text)
    problems.append((name, f"Must be one of {', '.join(values)}."))
    return None


def instant(query: Mapping[str, str], name: str, problems: list[tuple[str, str]]) -> datetime | None:
    """Return a parameter as an instant in UTC; None without it, or when it is wrong, with a problem added."""
    text = query.get(name)
    if text is None:
        return None
    try:
        return from_iso(text).astimezone(UTC)
    except (ValueError, OverflowError):
        problems.append((name, "Must be an instant such as 2026-01-01T00:00:00.000Z."))
        return None


def _text(query: Mapping[str, str], name: str, problems: list[tuple[str, str]]) -> str | None:
    text = query.get(name)
    if text is not None and (not 0 < len(text) <= MAX_NAME_LENGTH or "\0" in text):
        problems.append((name, f"Must have 1 to {MAX_NAME_LENGTH} characters."))
    return text


def _label(query: Mapping[str, str], problems: list[tuple[str, str]]) -> tuple[str, str] | None:
    text = query.get("label")
    if text is None:
        return None
    key, colon, value = text.partition(":")
    known = conf().metadata_index
    if not colon or key not in known:
        form = f"Must be key:value, with a key of {', '.join(known)}." if known else "This server indexes no labels."
        problems.append(("label", form))
    elif len(value) > MAX_LABEL_VALUE or "\0" in value:
        problems.append(("label", f"The value must have at most {MAX_LABEL_VALUE} characters."))
    return key, value
