"""Forms of environment variables: each function turns the text of one form into its value.

All functions raise marshmallow's ValidationError for another text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from marshmallow.exceptions import ValidationError as Unacceptable
from marshmallow.fields import Integer

from config import checks
from synckairos.conf import Rate

_PERIODS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}
_MOST_LABELS = 8


def rate(text: str) -> Rate | None:
    """Return the rate of a text such as 600/m; None for off."""
    if text.strip().lower() == "off":
        return None
    match = re.fullmatch(r"([1-9]\d{0,6})/([smh])", text.strip())
    if match is None:
        raise Unacceptable("Expected a rate such as 600/m or 10/s, or off.")
    return Rate(int(match[1]), _PERIODS_MS[match[2]])


def limit(text: str) -> int | None:
    """Return a number greater than 0; None for off."""
    if text.strip().lower() == "off":
        return None
    if not re.fullmatch(r"[1-9]\d{0,8}", text.strip()):
        raise Unacceptable("Expected a number greater than 0, or off.")
    return int(text)


def ms(seconds: str | int) -> int:
    """Return a time that is given in seconds, in milliseconds."""
    return 1000 * Integer(validate=checks.POSITIVE).deserialize(seconds)


def label_keys(text: str) -> tuple[str, ...]:
    """Return the names of keys in a list with commas."""
    keys = tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))
    if len(keys) > _MOST_LABELS or any(not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", key) for key in keys):
        raise Unacceptable(f"Expected up to {_MOST_LABELS} names of letters, digits, _, . and -, separated by commas.")
    return keys


def shared_directory(text: str) -> Path | None:
    """Check the directory of the metrics: Prometheus' library reads the variable itself, and takes an empty one for the
    working directory."""
    if not text.strip():
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        return None
    try:
        Path(text).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unacceptable(f"Cannot be made a directory: {error.strerror}.") from None
    return Path(text)


def directory(text: str) -> Path | None:
    """Return a directory that the first process which writes there makes; None for `off`."""
    return None if text.strip().lower() in {"", "off"} else Path(text).expanduser().absolute()
