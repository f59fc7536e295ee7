"""Rules for names of people, shared by all entry points and database columns (docs/access.md#names).

Names are compared character by character. So each is accepted unchanged or refused, never trimmed, cut or normalized.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from synckairos.commit_chain import COMMITMENT

MAX_NAME_LENGTH = 512
"""Characters of the longest name. A database index holds that many characters of four bytes."""
TIMEKEEPER_NAME = "timekeeper"
"""Principal of the audit for events that deadlines caused."""
OPERATOR_NAME = "operator"
"""Principal of the audit for restorations."""
ERASED_TEXT = "(erased)"
"""The text in the place of a value that was erased and for which no commitment stands."""
NAMES_OF_NOBODY = frozenset({TIMEKEEPER_NAME, OPERATOR_NAME, ERASED_TEXT})
"""Texts that stand where names stand, and are no person's name."""
SESSION_TOKEN_PREFIX = "session-token:"  # noqa: S105 - a prefix, no secret
"""Prefix of the subject of a session token; its token id follows."""
NAME_RULE = (
    f"1 to {MAX_NAME_LENGTH} visible characters, in Unicode's normalization form C, without a space at either end, "
    f'neither "{TIMEKEEPER_NAME}", "{OPERATOR_NAME}" nor "{ERASED_TEXT}", and not beginning with '
    f'"{SESSION_TOKEN_PREFIX}" or "{COMMITMENT}".'
)
_RESERVED = (SESSION_TOKEN_PREFIX, COMMITMENT)
"""Beginnings of names that no person has: of session tokens, and of what stands for persons who were erased."""
NAME_PATTERN = r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$"
"""The part of `NAME_RULE` that regular expressions of any language can express."""

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and symbols without a visible form (Default_Ignorable_Code_Point, and Braille blank).
`str.isprintable` refuses the categories of all other invisible characters."""


def is_name(value: Any) -> bool:
    """Return true for a name that a person may have."""
    return is_well_formed(value) and value not in NAMES_OF_NOBODY and not value.startswith(_RESERVED)


def is_principal(value: Any) -> bool:
    """Return true for a name that a person may have, and for the subject of a session token."""
    return is_name(value) or (is_well_formed(value) and value.startswith(SESSION_TOKEN_PREFIX))


def is_well_formed(value: Any) -> bool:
    """Return true for a name that a person may have, and for reserved names."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable():
        return False
    if value[0] == " " or value[-1] == " ":
        return False
    return value.isascii() or (_INVISIBLE.search(value) is None and unicodedata.is_normalized("NFC", value))
