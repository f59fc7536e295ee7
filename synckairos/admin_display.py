"""Formats of the admin: instants with milliseconds and zone, readable durations, a red cross for bad values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, DateTimeField, Field, ForeignKey, IntegerField, Model
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from synckairos.engine.units import Duration

EMPTY = "-"
_DURATION_SUFFIX = "_ms"
_MS_IN_S, _MS_IN_MIN, _MS_IN_H = 1_000, 60_000, 3_600_000


def instant(moment: datetime) -> str:
    """Return the instant as `2026-11-27 22:57:05.345 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def duration(ms: Duration) -> str:
    """Return the duration as `2 h 01 min 03.250 s`, `1 min 03.250 s` or `3.250 s`, in milliseconds and from the largest
    unit that it has."""
    sign, left = ("-" if ms < 0 else ""), abs(ms)
    hours, minutes, seconds = left // _MS_IN_H, left // _MS_IN_MIN % 60, left % _MS_IN_MIN / _MS_IN_S
    if hours:
        return f"{sign}{hours} h {minutes:02d} min {seconds:06.3f} s"
    return f"{sign}{minutes} min {seconds:06.3f} s" if minutes else f"{sign}{seconds:.3f} s"


def icon(name: str, *, is_good: bool) -> str:
    """Return a green tick or a red cross with a text."""
    picture = static(f"admin/img/icon-{'yes' if is_good else 'no'}.svg")
    return format_html('<img src="{}" alt="{}" title="{}">', picture, name, name)


def link(target: Model) -> str:
    """Return a link to the admin page of an object, or its text when it has no page."""
    meta = target._meta  # noqa: SLF001 - public in spite of its name
    try:
        address = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[target.pk])
    except NoReverseMatch:
        return str(target)
    return format_html('<a href="{}">{}</a>', address, target)


class FormattedAdmin:
    """A mixin for admins and inlines that formats their fields in lists and on read-only pages."""

    bad_flags: Sequence[str] = ()
    """Booleans that are bad when true. They show a red cross then, and nothing else."""
    good_flags: Sequence[str] = ()
    """Booleans that are good when true, and bad when false. All others show yes or nothing."""

    def __init__(self, model: type[Model], *site: Any) -> None:
        super().__init__(model, *site)  # type: ignore[call-arg]
        self._fields: dict[str, str] = {}

    def get_list_display(self, request: Any) -> list[Any]:
        """Return the columns of a list."""
        return [self._displayed(name) for name in super().get_list_display(request)]  # type: ignore[misc]

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        """Return the fields of a page. Fields that can be edited stay unchanged."""
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        may_change: bool = getattr(self, "has_change_permission")(request, obj)  # noqa: B009 - the admin's
        if may_change:
            return fieldsets
        return [(title, {**options, "fields": self._read_only(options["fields"])}) for title, options in fieldsets]

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[Any]:
        """Return the fields that cannot be edited, with the methods that format fields."""
        return [*super().get_readonly_fields(request, obj), *self._methods()]  # type: ignore[misc]

    def _read_only(self, names: Sequence[Any]) -> list[Any]:
        """Return each field once, where both the field and its formatted form are listed."""
        methods = self._methods()
        return [self._displayed(name) for name in names if name not in methods]

    def _methods(self) -> list[str]:
        return [method for name, method in self._fields.items() if method != name]

    def _displayed(self, name: Any) -> Any:
        """Return the name to display for a field, or for a method that returns an instant."""
        if not isinstance(name, str):
            return name
        if name not in self._fields:
            self._fields[name] = self._format_field(name)
        return self._fields[name]

    def _format_field(self, name: str) -> str:
        meta = self.model._meta  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            field: Any = None if hasattr(self, name) else meta.get_field(name)
        except FieldDoesNotExist:
            return name
        if field is None:
            return self._format_method(name)
        formatter = self._formatter(field)
        return (
            name
            if formatter is None
            else self._add_method(name, lambda row: formatter(getattr(row, name)), str(field.verbose_name), name)
        )

    def _format_method(self, name: str) -> str:
        method = getattr(self, name)
        if not callable(method) or getattr(method, "boolean", False):
            return name
        order, title = getattr(method, "admin_order_field", None), getattr(method, "short_description", name)
        return self._add_method(name, lambda row: _text(method(row)), title, order)

    def _formatter(self, field: Field[Any, Any]) -> Callable[[Any], Any] | None:
        """Return the function that formats values of a field; None for Django's own format."""
        match field:
            case DateTimeField():
                return lambda value: EMPTY if value is None else _nowrap(instant(value))
            case ForeignKey():
                return lambda value: EMPTY if value is None else link(value)
            case BooleanField():
                title = str(field.verbose_name)
                return lambda value: self._format_flag(field.name, title, value)
            case IntegerField() if field.name.endswith(_DURATION_SUFFIX):
                return lambda value: EMPTY if value is None else _nowrap(duration(value))
            case _:
                return None

    def _format_flag(self, name: str, title: str, value: bool | None) -> str:
        if name in self.bad_flags:
            return icon(title, is_good=False) if value else EMPTY
        if name in self.good_flags:
            return icon(title if value else f"not {title}", is_good=bool(value))
        return "yes" if value else EMPTY

    def _add_method(self, name: str, show: Callable[[Any], Any], title: Any, order: str | None) -> str:
        """Add a method that displays a value to this admin, and return its name."""

        def method(row: Any) -> Any:
            return show(row)

        method.short_description = str(title).removesuffix(" ms")  # type: ignore[attr-defined]
        method.admin_order_field = order  # type: ignore[attr-defined]
        setattr(self, f"formatted_{name}", method)
        return f"formatted_{name}"


def _nowrap(text: str) -> str:
    return format_html('<span style="white-space: nowrap">{}</span>', text)


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return _nowrap(instant(value))
    return link(value) if isinstance(value, Model) else value
