"""Why an entry could not be written, for the log and for staff: names of constraints, columns and kinds, never data.

The messages of a database and of a decoder may quote what was refused, so they are not used as they are.
"""

from __future__ import annotations

import re

import msgspec

_OF_SQLITE = re.compile(r"[A-Z ]{3,20} constraint failed(?:: [\w.]+(?:, [\w.]+)*)?")
_PLACE = re.compile(r"at `\$((?:\.\w+|\[\d+\]|\[\.\.\.\])*)`")


def reason_of(fault: BaseException) -> str:
    """One line, such as `IntegrityError: CheckViolation 23514 table=audit_syncevent constraint=positive`."""
    kind = type(fault).__name__
    if isinstance(fault, msgspec.ValidationError):
        place = _PLACE.search(str(fault))
        return f"{kind}: at ${place[1]}" if place else kind
    said = getattr(fault, "reason", "") or _of_driver(fault.__cause__)
    return f"{kind}: {said}" if said else kind


def _of_driver(cause: BaseException | None) -> str:
    """What the database's driver names."""
    if cause is None:
        return ""
    diagnosis = getattr(cause, "diag", None)
    if diagnosis is None:
        told = _OF_SQLITE.fullmatch(str(cause))
        return told[0] if told else ""
    names = {
        "table": diagnosis.table_name,
        "column": diagnosis.column_name,
        "type": diagnosis.datatype_name,
        "constraint": diagnosis.constraint_name,
    }
    named = [f"{name}={value}" for name, value in names.items() if value]
    state = getattr(cause, "sqlstate", None)  # the server has none when it could not even be reached
    return " ".join([type(cause).__name__, state, *named]) if state else ""
