"""What a person's name is: the same at every door, and for every column that holds one (docs/access.md#names).

The subject of a token, the `user_id` of a seat, the owner of a session and whom the audit names are compared letter by
letter. So a name is taken as it is or refused, never trimmed, cut or put into another form: two spellings are two
names, and none of them looks like another by what cannot be seen.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

MAX_NAME_LENGTH = 512
"""Characters. A database's index holds that many of four bytes each."""
TIMEKEEPER_NAME = "timekeeper"
"""Whom the audit names for what happened because it was time."""
SESSION_TOKEN_PREFIX = "session-token:"  # noqa: S105 - a prefix, no secret
"""Stands before a token's id, for who comes with a session token."""
NAME_RULE = (
    f"1 to {MAX_NAME_LENGTH} visible characters, in Unicode's normalization form C, without a space at either end, "
    f'and neither "{TIMEKEEPER_NAME}" nor beginning with "{SESSION_TOKEN_PREFIX}".'
)
NAME_PATTERN = r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$"
"""What a regular expression of any language can say of it: the rest is in `NAME_RULE`."""

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and symbols that show nothing (Default_Ignorable_Code_Point, and the blank of Braille). All others
that cannot be seen are of categories that `str.isprintable` refuses."""


def is_name(value: Any) -> bool:
    """Whether this is a name that a person may have."""
    return is_text(value) and value != TIMEKEEPER_NAME and not value.startswith(SESSION_TOKEN_PREFIX)


def is_text(value: Any) -> bool:
    """The same, reserved names included."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable():
        return False
    if value[0] == " " or value[-1] == " ":
        return False
    return value.isascii() or (_INVISIBLE.search(value) is None and unicodedata.is_normalized("NFC", value))
