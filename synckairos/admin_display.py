"""How the admin shows values: instants to the millisecond and with their zone, durations as people read them, and a red
cross for what is bad."""

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

NOTHING = "-"
_DURATION = "_ms"
_MS_IN_S, _MS_IN_MIN, _MS_IN_H = 1_000, 60_000, 3_600_000


def instant(moment: datetime) -> str:
    """`2026-11-27 22:57:05.345 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def duration(ms: Duration) -> str:
    """`2 h 01 min 03.250 s`, `1 min 03.250 s`, `3.250 s`: to the millisecond, from the largest unit that is there."""
    sign, left = ("-" if ms < 0 else ""), abs(ms)
    hours, minutes, seconds = left // _MS_IN_H, left // _MS_IN_MIN % 60, left % _MS_IN_MIN / _MS_IN_S
    if hours:
        return f"{sign}{hours} h {minutes:02d} min {seconds:06.3f} s"
    return f"{sign}{minutes} min {seconds:06.3f} s" if minutes else f"{sign}{seconds:.3f} s"


def mark(name: str, *, is_good: bool) -> str:
    """A green tick or a red cross, and what it says in words."""
    picture = static(f"admin/img/icon-{'yes' if is_good else 'no'}.svg")
    return format_html('<img src="{}" alt="{}" title="{}">', picture, name, name)


def link(target: Model) -> str:
    """A link to the page of an object, or its name where it has none."""
    meta = target._meta  # noqa: SLF001 - public in spite of its name
    try:
        address = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[target.pk])
    except NoReverseMatch:
        return str(target)
    return format_html('<a href="{}">{}</a>', address, target)


class FormattedAdmin:
    """A mixin for admins and inlines: their fields are shown like that, in lists and on pages nobody can write to."""

    bad: Sequence[str] = ()
    """Booleans that are bad when true: a red cross then, and nothing else."""
    good: Sequence[str] = ()
    """Booleans that are good when true, and bad when not. All others say yes or nothing."""

    def __init__(self, model: type[Model], *site: Any) -> None:
        super().__init__(model, *site)  # type: ignore[call-arg]
        self._ways: dict[str, str] = {}

    def get_list_display(self, request: Any) -> list[Any]:
        """The columns of a list."""
        return [self._way_of(name) for name in super().get_list_display(request)]  # type: ignore[misc]

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        """The fields of a page; those that can be written to stay as they are."""
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        may_change: bool = getattr(self, "has_change_permission")(request, obj)  # noqa: B009 - the admin's
        if may_change:
            return fieldsets
        return [(title, {**options, "fields": self._read_only(options["fields"])}) for title, options in fieldsets]

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[Any]:
        """Those that are shown only, ours among them."""
        ours = [way for name, way in self._ways.items() if way != name]
        return [*super().get_readonly_fields(request, obj), *ours]  # type: ignore[misc]

    def _read_only(self, names: Sequence[Any]) -> list[Any]:
        """Each field once, whether it stands there itself or as it is shown."""
        known = {way for name, way in self._ways.items() if way != name}
        return [self._way_of(name) for name in names if name not in known]

    def _way_of(self, name: Any) -> Any:
        """What to show in the place of a field, or of a method that gives an instant."""
        if not isinstance(name, str):
            return name
        if name not in self._ways:
            self._ways[name] = self._made(name)
        return self._ways[name]

    def _made(self, name: str) -> str:
        meta = self.model._meta  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            field: Any = None if hasattr(self, name) else meta.get_field(name)
        except FieldDoesNotExist:
            return name
        if field is None:
            return self._made_of_method(name)
        way = self._way_for(field)
        return (
            name if way is None else self._add(name, lambda row: way(getattr(row, name)), str(field.verbose_name), name)
        )

    def _made_of_method(self, name: str) -> str:
        method = getattr(self, name)
        if not callable(method) or getattr(method, "boolean", False):
            return name
        order, title = getattr(method, "admin_order_field", None), getattr(method, "short_description", name)
        return self._add(name, lambda row: _text(method(row)), title, order)

    def _way_for(self, field: Field[Any, Any]) -> Callable[[Any], Any] | None:
        """How values of a field are shown, if not as Django does."""
        match field:
            case DateTimeField():
                return lambda value: NOTHING if value is None else _in_one_line(instant(value))
            case ForeignKey():
                return lambda value: NOTHING if value is None else link(value)
            case BooleanField():
                title = str(field.verbose_name)
                return lambda value: self._verdict(field.name, title, value)
            case IntegerField() if field.name.endswith(_DURATION):
                return lambda value: NOTHING if value is None else _in_one_line(duration(value))
            case _:
                return None

    def _verdict(self, name: str, title: str, value: bool | None) -> str:
        if name in self.bad:
            return mark(title, is_good=False) if value else NOTHING
        if name in self.good:
            return mark(title if value else f"not {title}", is_good=bool(value))
        return "yes" if value else NOTHING

    def _add(self, name: str, show: Callable[[Any], Any], title: Any, order: str | None) -> str:
        """A method of this admin that shows something; gives its name."""

        def method(row: Any) -> Any:
            return show(row)

        method.short_description = str(title).removesuffix(" ms")  # type: ignore[attr-defined]
        method.admin_order_field = order  # type: ignore[attr-defined]
        setattr(self, f"shown_{name}", method)
        return f"shown_{name}"


def _in_one_line(text: str) -> str:
    return format_html('<span style="white-space: nowrap">{}</span>', text)


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return _in_one_line(instant(value))
    return link(value) if isinstance(value, Model) else value
