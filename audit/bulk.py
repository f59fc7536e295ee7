"""Inserts and updates of many rows at once, from plain values. All functions raise django.db.DatabaseError.

The rows are those that `QuerySet.bulk_create` and `bulk_update` write, for a fraction of their processor time
(docs/performance.md), on Django's connection and in the transaction of the caller. Model defaults and signals do not
apply.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

from django.db import connection
from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    UUIDField,
)

Row: TypeAlias = tuple[Any, ...]
"""Values in the order of the given field names. The value of a foreign key is the key, that of a JSON field is JSON
text."""
Fields: TypeAlias = "list[Field[Any, Any]]"
Names: TypeAlias = tuple[str, ...]

_NEED_NO_CONVERSION = (BinaryField, BooleanField, CharField, IntegerField, JSONField)
"""Fields whose values the database drivers accept without a conversion."""


def upsert(
    model: type[Model], names: Sequence[str], rows: Iterable[Row], *, unique: Sequence[str], updated: Sequence[str] = ()
) -> None:
    """Insert rows. An existing row with equal `unique` fields is kept, and its `updated` fields are replaced.

    No two of `rows` may have equal `unique` fields.
    """
    fields, sql = _upsert_statement(model, tuple(names), tuple(unique), tuple(updated), connection.vendor)
    _execute(sql, fields, rows)


@lru_cache
def _upsert_statement(
    model: type[Model],
    names: Names,
    unique: Names,
    updated: Names,
    _vendor: str,  # they differ by database
) -> tuple[Fields, str]:
    fields = _fields(model, names)
    assignments = ", ".join(f"{column} = EXCLUDED.{column}" for column in _columns(_fields(model, updated)))
    conflict = ", ".join(_columns(_fields(model, unique)))
    return fields, (
        f"INSERT INTO {_table(model)} ({', '.join(_columns(fields))}) {_rows_sql(fields)}"
        f" ON CONFLICT ({conflict}) DO {f'UPDATE SET {assignments}' if assignments else 'NOTHING'}"
    )


def update(model: type[Model], names: Sequence[str], rows: Iterable[Row]) -> None:
    """Set the fields `names` of existing rows; the first value of each of `rows` is the primary key."""
    fields, sql = _update_statement(model, tuple(names), connection.vendor)
    if not _supports_unnest():
        rows = [(*values, pk) for pk, *values in rows]
    _execute(sql, fields, rows)


@lru_cache
def _update_statement(model: type[Model], names: Names, _vendor: str) -> tuple[Fields, str]:
    fields = _fields(model, ["id", *names])
    key, *columns = _columns(fields)
    if _supports_unnest():
        assignments = ", ".join(f"{column} = assignments.{column}" for column in columns)
        where = f"{_table(model)}.{key} = assignments.{key}"
        source = f" FROM ({_rows_sql(fields)}) AS assignments ({', '.join([key, *columns])})"
    else:
        assignments, where, source = ", ".join(f"{column} = %s" for column in columns), f"{key} = %s", ""
        fields = [*fields[1:], fields[0]]
    return fields, f"UPDATE {_table(model)} SET {assignments}{source} WHERE {where}"  # noqa: S608 - of names in models only


def lock_rows(model: type[Model], names: Sequence[str], by: str, values: Sequence[UUID]) -> list[Row]:
    """Lock the rows whose UUID field `by` has one of these values, by primary key, until the end of the transaction.

    Returns `by`, then the fields `names`, whose values are as the database driver gives them. There is no limit on the
    number of values.
    """
    if not values:
        return []
    if _supports_unnest():
        sql = f"{_select_statement(model, (by, *names))} = ANY(%s) ORDER BY id FOR UPDATE"
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(values)])
            return list(cursor.fetchall())
    by_text = {value.hex: value for value in values}
    sql = f"{_select_statement(model, (by, *names))} IN (SELECT value FROM json_each(%s)) ORDER BY id"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [json.dumps(list(by_text))])
        return [(by_text[text], *others) for text, *others in cursor.fetchall()]


@lru_cache
def _select_statement(model: type[Model], names: Names) -> str:
    columns = _columns(_fields(model, names))
    return f"SELECT {', '.join(columns)} FROM {_table(model)} WHERE {columns[0]}"  # noqa: S608 - of names in models only


def _execute(sql: str, fields: Fields, rows: Iterable[Row]) -> None:
    by_column = list(zip(*rows, strict=True))
    if not by_column:
        return
    with connection.cursor() as cursor:
        if _supports_unnest():
            cursor.execute(sql, [_array(field, values) for field, values in zip(fields, by_column, strict=True)])
        else:
            columns = [_database_values(field, values) for field, values in zip(fields, by_column, strict=True)]
            cursor.executemany(sql, list(zip(*columns, strict=True)))


def _supports_unnest() -> bool:
    """Return true if a statement takes a list for each column.

    Otherwise the statement runs once for each row, which is cheap where the database is in this process (SQLite).
    """
    return connection.vendor == "postgresql"


def _rows_sql(fields: Fields) -> str:
    if not _supports_unnest():
        return f"VALUES ({', '.join(['%s'] * len(fields))})"
    # With a length PostgreSQL would cut longer values without an error.
    types = [str(field.db_type(connection)).split("(", maxsplit=1)[0] for field in fields]
    return f"SELECT * FROM UNNEST({', '.join(f'(%s)::{kind}[]' for kind in types)})"  # noqa: S608 - of types only


def _array(field: Field[Any, Any], values: Row) -> Any:
    """Return a column as PostgreSQL's text of an array, or as a list when the field has no text form here.

    The driver makes the same text, and takes as much time for it as for all else that the drain does.
    """
    if isinstance(field, ForeignKey):
        field = field.target_field
    for kinds, text_of in _ARRAY_ELEMENTS:
        if isinstance(field, kinds):
            return f"{{{','.join(['NULL' if value is None else text_of(value) for value in values])}}}"
    return _database_values(field, values)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@lru_cache(8192)
def _quoted_datetime(value: datetime) -> str:
    return f'"{value.isoformat()}"'


_ARRAY_ELEMENTS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (BooleanField, lambda value: "t" if value else "f"),
    (IntegerField, str),
    (UUIDField, lambda value: f"{value.int:032x}"),
    (DateTimeField, _quoted_datetime),
    (BinaryField, lambda value: f'"\\\\x{value.hex()}"'),
    ((CharField, JSONField), _quoted),
)
"""Kinds of fields, and the text of a value of each in PostgreSQL's text of an array."""


def _database_values(field: Field[Any, Any], values: Row) -> list[Any]:
    if isinstance(field, ForeignKey):
        field = field.target_field
    if isinstance(field, _NEED_NO_CONVERSION):
        return list(values)
    if isinstance(field, DateTimeField):
        return list(map(_database_datetime, values))
    if isinstance(field, UUIDField) and not connection.features.has_native_uuid_field:
        return [None if value is None else value.hex for value in values]
    return [field.get_db_prep_save(value, connection) for value in values]


@lru_cache(8192)
def _database_datetime(value: datetime | None) -> Any:
    """Return the value that the database takes; many rows have few different instants."""
    return connection.ops.adapt_datetimefield_value(value)


def _fields(model: type[Model], names: Iterable[str]) -> Fields:
    return [model._meta.get_field(name) for name in names]  # type: ignore[misc]  # noqa: SLF001 - public in spite of its name


def _columns(fields: Fields) -> list[str]:
    return [connection.ops.quote_name(str(field.column)) for field in fields]


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001
