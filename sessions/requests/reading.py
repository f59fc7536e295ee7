"""Reading of request bodies: msgspec converts well-formed ones in one step; a slow path names all that is wrong."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import inspect

from sessions.requests.bodies import Body
from sessions.requests.values import FieldError, ParsedType, choice_problem, decode_hook, text_problem
from synckairos.errors import MAX_DETAILS, ValidationFailed

B = TypeVar("B", bound=Body)

_WRONG: Final = object()
"""The result for a value that is refused."""
_WHOLE_BODY = "body"
"""The field of a problem with the body as a whole."""


def convert(data: Any, kind: type[B]) -> B:
    """Return a body from decoded JSON, without a check of the rules between fields.

    Raises msgspec.ValidationError for one that is wrong, and for integers written as `1000.0`, which `read` accepts.
    """
    return msgspec.convert(data, kind, dec_hook=decode_hook)


def read(data: Any, kind: type[B]) -> B:
    """Return a body from decoded JSON. Raises ValidationFailed with every wrong field and every broken rule."""
    try:
        body = convert(data, kind)
    except msgspec.ValidationError:
        return _read_slowly(data, kind)
    if broken := body.problems():
        raise ValidationFailed(broken)
    return body


def _read_slowly(data: Any, kind: type[B]) -> B:
    report = _Report()
    if data is None:
        report.add("", "No data provided")
    else:
        body = _struct(_type_of(kind), data, "", report)
    if report.problems:
        raise ValidationFailed(report.problems, report.counted)
    return body  # type: ignore[no-any-return]  # of this kind, since nothing is wrong


class _Report:
    """The problems of a body: as many as an answer lists, and the number of the others."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []
        self.counted = 0

    def __len__(self) -> int:
        return len(self.problems) + self.counted

    def add(self, path: str, message: str) -> object:
        """Add a problem, and return `_WRONG`."""
        if len(self.problems) < MAX_DETAILS:
            self.problems.append((path or _WHOLE_BODY, message))
        else:
            self.counted += 1
        return _WRONG


@cache
def _type_of(kind: Any) -> Any:
    return inspect.type_info(kind)


def _struct(kind: inspect.StructType, data: Any, path: str, report: _Report) -> Any:
    """Return the struct of an object; `_WRONG` if anything in it is wrong."""
    if not isinstance(data, dict):
        return report.add(path, "Expected a JSON object.")
    found_before, values, wrong = len(report), {}, set()
    known = {field.name for field in kind.fields} | {kind.tag_field}
    for name in data:
        if name not in known:
            report.add(_join(path, name), "Unknown field.")
    for field in kind.fields:
        if field.name in data:
            value = _value(field.type, data[field.name], _join(path, field.name), report)
            if value is _WRONG:
                wrong.add(field.name)
            else:
                values[field.name] = value
        elif field.required:
            report.add(_join(path, field.name), "This field is required.")
    if all(field.name in values for field in kind.fields if field.required):
        body: Any = kind.cls(**values)
        for name, message in dict.fromkeys(body.problems(wrong) if isinstance(body, Body) else ()):
            report.add(_join(path, name), message)
    return body if len(report) == found_before else _WRONG


def _tagged(kinds: list[inspect.StructType], data: Any, path: str, report: _Report) -> Any:
    """Return the struct of an object that says in one of its fields which of these types it has."""
    if not isinstance(data, dict):
        return report.add(path, "Expected a JSON object.")
    tag_field = str(kinds[0].tag_field)
    if tag_field not in data:
        return report.add(_join(path, tag_field), "This field is required.")
    for kind in kinds:
        if kind.tag == data[tag_field]:
            return _struct(kind, data, path, report)
    return report.add(_join(path, tag_field), choice_problem(data[tag_field]))


def _value(kind: Any, value: Any, path: str, report: _Report) -> Any:  # noqa: C901, PLR0911 - one arm for each type
    """Return the value of a field; `_WRONG` if it is wrong."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):  # of structs with tags, or of a type and null
        structs = [one for one in kind.types if isinstance(one, inspect.StructType)]
        if len(structs) == len(kind.types):
            return _tagged(structs, value, path, report)
        return None if value is None else _value(kind.types[0], value, path, report)
    if value is None:
        return report.add(path, "This field may not be null.")
    match kind:
        case inspect.IntType():
            return _integer(kind, value, path, report)
        case inspect.BoolType():
            return value if isinstance(value, bool) else report.add(path, "Must be a valid boolean.")
        case inspect.StrType():
            return _text(kind, value, path, report)
        case inspect.EnumType():
            return _choice(kind, value, path, report)
        case inspect.VarTupleType():
            return _items(kind, value, path, report)
        case inspect.StructType():
            return _struct(kind, value, path, report)
        case inspect.CustomType():
            return _parsed(kind, value, path, report)
    raise TypeError(kind)


def _parsed(kind: inspect.CustomType, value: Any, path: str, report: _Report) -> Any:
    object_type = cast("ParsedType", kind.cls).object_type
    if object_type is not None and isinstance(value, dict):
        return _value(_type_of(object_type), value, path, report)
    try:
        return decode_hook(kind.cls, value)
    except FieldError as error:
        return report.add(_join(path, error.part) if error.part else path, str(error))


def _integer(kind: inspect.IntType, value: Any, path: str, report: _Report) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JavaScript may write 1000 as 1000.0
    if not isinstance(value, int) or isinstance(value, bool):
        return report.add(path, "A valid integer is required.")
    if kind.le is not None and value > kind.le:
        return report.add(path, f"Ensure this value is less than or equal to {kind.le}.")
    if kind.ge is not None and value < kind.ge:
        return report.add(path, f"Ensure this value is greater than or equal to {kind.ge}.")
    return value


def _text(kind: inspect.StrType, value: Any, path: str, report: _Report) -> Any:
    if problem := text_problem(value):
        return report.add(path, problem)
    if kind.max_length is not None and len(value) > kind.max_length:
        return report.add(path, f"Ensure this field has no more than {kind.max_length} characters.")
    return value


def _choice(kind: inspect.EnumType, value: Any, path: str, report: _Report) -> Any:
    try:
        return kind.cls(value)
    except ValueError:
        return report.add(path, choice_problem(value))


def _items(kind: inspect.VarTupleType, value: Any, path: str, report: _Report) -> Any:
    """Return the items of a list. The length is checked first: of a list that is too long, no item is looked at."""
    if not isinstance(value, list):
        return report.add(path, f'Expected a list of items but got type "{type(value).__name__}".')
    if kind.max_length is not None and len(value) > kind.max_length:
        return report.add(path, f"Ensure this field has no more than {kind.max_length} elements.")
    if kind.min_length is not None and len(value) < kind.min_length:
        return report.add(path, f"Ensure this field has at least {kind.min_length} elements.")
    items = [_value(kind.item_type, item, f"{path}.{place}", report) for place, item in enumerate(value)]
    return _WRONG if _WRONG in items else tuple(items)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}".lstrip(".")
