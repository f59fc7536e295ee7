"""Strict fields: what a JSON value is decides, nothing is converted; and bodies that name every wrong field at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from sessions.bounds import object_problem
from synckairos.auth.names import MAX_NAME_LENGTH, NAME_PATTERN, NAME_RULE, is_name
from synckairos.errors import MAX_DETAILS
from synckairos.http.drf import OMITTED_COUNT
from synckairos.ids import parse_uuid
from synckairos.instants import from_datetime

_YEARS = range(1971, 9999)
_NO_NAME = -1
"""What no field of an object is called."""


class IntegerField(serializers.IntegerField):
    """A JSON integer (`1000` or `1000.0`, as JavaScript may write it); no text, no boolean."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class BooleanField(serializers.BooleanField):
    """A JSON boolean."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class TextField(serializers.CharField):
    """A JSON string, taken as it is: nothing is trimmed, and nothing but white space counts as blank."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False} | options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if not self.allow_blank and not data.strip():
            self.fail("blank")
        return super().to_internal_value(data)


@extend_schema_field(
    {"type": "string", "format": "name", "minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": NAME_PATTERN}
)
class NameField(TextField):
    """A person's name (synckairos/auth/names.py)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"help_text": NAME_RULE} | options)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not is_name(name):
            raise ValidationError(f"Expected a name: {NAME_RULE}")
        return name


class UUIDField(serializers.UUIDField):
    """A UUID in its canonical form."""

    def to_internal_value(self, data: Any) -> UUID:
        parsed = parse_uuid(data) if isinstance(data, str) else None
        if parsed is None:
            self.fail("invalid", value=data)
        return parsed


class InstantField(serializers.DateTimeField):
    """An ISO 8601 instant with its offset from UTC; milliseconds since the epoch inside."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            self.fail("invalid", format="ISO 8601")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("invalid", format="ISO 8601")
        if moment.tzinfo is None:
            raise ValidationError("An instant must carry its offset from UTC, as in 2026-01-01T00:00:00.000Z.")
        if moment.year not in _YEARS:
            raise ValidationError(f"The year must be from {_YEARS[0]} to {_YEARS[-1]}.")
        return from_datetime(moment)


class ListField(serializers.ListField):
    """A JSON array. Its length is judged before its items: one that is too long costs nothing and names no item."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        items: list[Any] = super().to_internal_value(data)
        return items


class ObjectField(serializers.DictField):
    """A JSON object that is carried untouched, up to 4 KiB encoded and 100 levels deep."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        problem = object_problem(data)
        if problem is not None:
            raise ValidationError(problem)
        return data


def unknown_fields(data: Mapping[Any, Any], known: Iterable[str], most: int) -> tuple[dict[Any, Any], int]:
    """An error for each unknown field of an object, up to so many, and how many those are. The others are counted: to
    put thousands of errors into words takes long."""
    names = set(known)
    unknown = [name for name in data if name not in names]
    named = unknown[: max(most, 0)]
    errors: dict[Any, Any] = {name: ["Unknown field."] for name in named}
    if len(named) < len(unknown):
        errors[_NO_NAME] = [ErrorDetail(str(len(unknown) - len(named)), OMITTED_COUNT)]
    return errors, len(named)


class KnownFieldsOnly:
    """A mixin for a library's serializers: unknown fields are named beside what else is wrong."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values. Raises ValidationError naming every wrong field."""
        known: Any = getattr(self, "fields")  # noqa: B009 - the serializer's, which the mixin cannot name
        unknown = unknown_fields(data, known, MAX_DETAILS)[0] if isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)  # type: ignore[misc]
        except ValidationError as error:
            raise ValidationError({**unknown, **cast("dict[str, Any]", error.detail)}) from None
        if unknown:
            raise ValidationError(unknown)
        return values


class Body(serializers.Serializer[Any]):
    """A request body: an object without unknown fields. Rules between fields run on whatever fields are right."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The validated values. Raises ValidationError naming every wrong field."""
        if not isinstance(data, Mapping):
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: ["Expected a JSON object."]})
        errors, named = unknown_fields(data, self.fields, MAX_DETAILS - self._named)
        self._named += named
        values: dict[str, Any] = {}
        for field in self._writable_fields:
            name = str(field.field_name)
            try:
                values[name] = field.run_validation(field.get_value(data))
            except ValidationError as error:
                errors[name] = error.detail
            except serializers.SkipField:
                pass
        for name, message in self.cross_check(values):
            _add(errors, name, message)
        if errors:
            raise ValidationError(errors)
        return values

    _named = 0
    """How many unknown fields have been named: as an item of a list, a body judges many."""

    def cross_check(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        """Rules between fields, as (field, message); fields that are wrong by themselves are absent."""
        return []


def _add(errors: dict[str, Any], name: str, message: str) -> None:
    """A message beside those that the field may have already; names are paths, kept flat."""
    known = errors.get(name)
    if known is None:
        errors[name] = [message]
    elif isinstance(known, list) and message not in known and all(not isinstance(k, dict) for k in known):
        errors[name] = [*known, message]
