"""Many rows at once, from plain values.

They become the very rows that `QuerySet.bulk_create` and `bulk_update` write, for a fraction of their processor time
(docs/performance.md): those make an instance for each row and ask its fields, one by one, for each value. Here a
statement and its conversions are made once for all rows, from the model's fields, and run on Django's connection, in
the transaction of the caller. Model defaults and signals have no part in it.

All raise django.db.DatabaseError.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from django.db import connection
from django.db.models import (
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
"""Values in the order of the names that stand beside it. A foreign key's is the key, a JSON field's is JSON text."""
Fields: TypeAlias = "list[Field[Any, Any]]"

_AS_THEY_ARE = (BooleanField, CharField, IntegerField, JSONField)
"""Fields whose values a driver takes without a conversion."""


def upsert(
    model: type[Model], names: Sequence[str], rows: Iterable[Row], *, unique: Sequence[str], updated: Sequence[str] = ()
) -> None:
    """Insert rows. One that is there with the same `unique` fields stays, and takes over the `updated` ones.

    No two of `rows` may have the same `unique` fields.
    """
    fields = _fields(model, names)
    news = ", ".join(f"{column} = EXCLUDED.{column}" for column in _columns(_fields(model, updated)))
    place = ", ".join(_columns(_fields(model, unique)))
    _run(
        f"INSERT INTO {_table(model)} ({', '.join(_columns(fields))}) {_source(fields)}"
        f" ON CONFLICT ({place}) DO {f'UPDATE SET {news}' if news else 'NOTHING'}",
        fields,
        rows,
    )


def update(model: type[Model], names: Sequence[str], rows: Iterable[Row]) -> None:
    """Set the fields `names` of rows that are there; the first value of each of `rows` is the primary key."""
    fields = _fields(model, ["id", *names])
    key, *columns = _columns(fields)
    if _takes_lists():
        news = ", ".join(f"{column} = news.{column}" for column in columns)
        where = f"{_table(model)}.{key} = news.{key}"
        source = f" FROM ({_source(fields)}) AS news ({', '.join([key, *columns])})"
    else:
        news, where, source = ", ".join(f"{column} = %s" for column in columns), f"{key} = %s", ""
        fields, rows = [*fields[1:], fields[0]], [(*values, pk) for pk, *values in rows]
    _run(f"UPDATE {_table(model)} SET {news}{source} WHERE {where}", fields, rows)  # noqa: S608 - of names in models only


def _run(sql: str, fields: Fields, rows: Iterable[Row]) -> None:
    turned = list(zip(*rows, strict=True))
    if not turned:
        return
    columns = [_converted(field, values) for field, values in zip(fields, turned, strict=True)]
    with connection.cursor() as cursor:
        if _takes_lists():
            cursor.execute(sql, columns)
        else:
            cursor.executemany(sql, list(zip(*columns, strict=True)))


def _takes_lists() -> bool:
    """Whether a statement is given a list for each column.

    If not, it runs once for each row, which costs next to nothing where the database is in this process (SQLite).
    """
    return connection.vendor == "postgresql"


def _source(fields: Fields) -> str:
    if not _takes_lists():
        return f"VALUES ({', '.join(['%s'] * len(fields))})"
    # A length would silently cut what is too long.
    types = [str(field.db_type(connection)).split("(", maxsplit=1)[0] for field in fields]
    return f"SELECT * FROM UNNEST({', '.join(f'(%s)::{kind}[]' for kind in types)})"  # noqa: S608 - of types only


def _converted(field: Field[Any, Any], values: Row) -> list[Any]:
    if isinstance(field, ForeignKey):
        field = field.target_field
    if isinstance(field, _AS_THEY_ARE):
        return list(values)
    if isinstance(field, DateTimeField):
        return list(map(_moment, values))
    if isinstance(field, UUIDField) and not connection.features.has_native_uuid_field:
        return [None if value is None else value.hex for value in values]
    return [field.get_db_prep_save(value, connection) for value in values]


@lru_cache(8192)
def _moment(value: datetime | None) -> Any:
    """As the database takes it; few of many rows' moments differ."""
    return connection.ops.adapt_datetimefield_value(value)


def _fields(model: type[Model], names: Iterable[str]) -> Fields:
    return [model._meta.get_field(name) for name in names]  # type: ignore[misc]  # noqa: SLF001 - public in spite of its name


def _columns(fields: Fields) -> list[str]:
    return [connection.ops.quote_name(str(field.column)) for field in fields]


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001
