"""Strict checks of header fields and query parameters: what cannot be obeyed is refused, and nothing is ignored.

Refused are repeated fields and parameters, unknown parameters, content codings, and character sets other than UTF-8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

from synckairos.errors import UnsupportedMediaType, ValidationFailed
from synckairos.http.asgi import Scope

SINGLE_VALUE_FIELDS = frozenset(
    {
        *(b"authorization", b"content-type", b"content-encoding", b"idempotency-key", b"last-event-id"),
        *(b"host", b"origin"),
    }
)
"""Header fields that have one value. Others are lists, which may be sent in several lines."""
CACHE_BUSTER = "_"
"""Query parameter that some libraries add to defeat caches; it is accepted and ignored."""
_MAX_DIGITS = 20
_ACCEPTED_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})


def check_header_fields(scope: Scope) -> None:
    """Raises ValidationFailed for a repeated field, and UnsupportedMediaType for a content coding."""
    names = [name.lower() for name, _ in scope["headers"]]
    if len(set(names)) < len(names):
        counts = Counter(names)
        repeated = sorted(name.decode() for name in SINGLE_VALUE_FIELDS if counts[name] > 1)
        if repeated:
            raise ValidationFailed([(name.title(), "Given more than once.") for name in repeated])
    if b"content-encoding" in names:
        coding = scope["headers"][names.index(b"content-encoding")][1].strip().lower()
        if coding not in {b"", b"identity"}:
            raise UnsupportedMediaType.by_coding()


def query_parameters(query: bytes | str, allowed: Collection[str]) -> dict[str, str]:
    """Return the query parameters by name. Raises ValidationFailed for unknown and repeated ones."""
    if not query:
        return {}
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    pairs = [(name, value) for name, value in parse_qsl(text, keep_blank_values=True) if name != CACHE_BUSTER]
    counts = Counter(name for name, _ in pairs)
    problems = [
        (name, "Unknown parameter." if name not in allowed else "Given more than once.")
        for name, count in counts.items()
        if name not in allowed or count > 1
    ]
    if problems:
        raise ValidationFailed(problems)
    return dict(pairs)


def integer(query: Mapping[str, str], name: str, lowest: int, highest: int) -> int | None:
    """Return a query parameter as an integer, or None. Raises ValidationFailed outside of the bounds."""
    text = query.get(name)
    if text is None:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if not (is_number and lowest <= int(text) <= highest):
        raise ValidationFailed([(name, f"Must be a whole number from {lowest} to {highest}.")])
    return int(text)


def check_charset(media_type: str | None) -> None:
    """Raises UnsupportedMediaType for a `charset` that is not UTF-8. JSON needs none (RFC 8259, 8.1)."""
    for parameter in (media_type or "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _ACCEPTED_CHARSETS:
            raise UnsupportedMediaType("The body is in a character set that is not spoken here: send JSON in UTF-8")
