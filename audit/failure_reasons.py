"""The reason why an entry could not be written, for the log and for staff: names of constraints, columns and kinds,
never data.

Messages of databases and decoders may quote the refused values, so they are not used as they are.
"""

from __future__ import annotations

import re

import msgspec

_SQLITE_MESSAGE = re.compile(r"[A-Z ]{3,20} constraint failed(?:: [\w.]+(?:, [\w.]+)*)?")
_PLACE = re.compile(r"at `\$((?:\.\w+|\[\d+\]|\[\.\.\.\])*)`")


def reason_of(fault: BaseException) -> str:
    """Return one line, such as `IntegrityError: CheckViolation 23514 table=audit_syncevent constraint=positive`."""
    kind = type(fault).__name__
    if isinstance(fault, msgspec.ValidationError):
        place = _PLACE.search(str(fault))
        return f"{kind}: at ${place[1]}" if place else kind
    detail = getattr(fault, "reason", "") or _driver_detail(fault.__cause__)
    return f"{kind}: {detail}" if detail else kind


def _driver_detail(cause: BaseException | None) -> str:
    """Return the names that the database's driver gives."""
    if cause is None:
        return ""
    diagnosis = getattr(cause, "diag", None)
    if diagnosis is None:
        message = _SQLITE_MESSAGE.fullmatch(str(cause))
        return message[0] if message else ""
    names = {
        "table": diagnosis.table_name,
        "column": diagnosis.column_name,
        "type": diagnosis.datatype_name,
        "constraint": diagnosis.constraint_name,
    }
    parts = [f"{name}={value}" for name, value in names.items() if value]
    state = getattr(cause, "sqlstate", None)  # the server has none when it could not even be reached
    return " ".join([type(cause).__name__, state, *parts]) if state else ""
