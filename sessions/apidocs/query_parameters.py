"""Query parameters of lists, events and exports in the OpenAPI document: whatever fits their schemas is accepted."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from audit.exports.table import FORMATS
from audit.listing import CURSOR, DEFAULT_LIMIT, MAX_LIMIT
from audit.models import MAX_LABEL_VALUE
from sessions.requests.values import MAX_EVENTS, MAX_VERSION
from synckairos.auth.names import MAX_NAME_LENGTH
from synckairos.conf import conf
from synckairos.engine.units import Status, SyncMode


def _query(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "string", **schema}, OpenApiParameter.QUERY, description=description)


_INSTANT = r"^20\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z$"
"""Form of most instants. The last days of long months and other forms of ISO 8601 are accepted too."""
_LABEL = f"^({'|'.join(map(re.escape, conf().metadata_index))}):.{{0,{MAX_LABEL_VALUE}}}$"
FILTERS = [
    _query("status", "Sessions with this status.", enum=[status.value for status in Status]),
    _query("mode", "Sessions with this `sync_mode`.", enum=[mode.value for mode in SyncMode]),
    _query("created_from", "Sessions created at this instant (ISO 8601) or later.", pattern=_INSTANT),
    _query("created_to", "Sessions created before this instant.", pattern=_INSTANT),
    _query("user_id", "Sessions in which this person takes part.", minLength=1, maxLength=MAX_NAME_LENGTH),
]
if conf().metadata_index:
    FILTERS.append(_query("label", "Sessions with this value in their metadata: `key:value`.", pattern=_LABEL))
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
OF_LISTS = [
    *FILTERS,
    _query("limit", "Largest number of sessions in a page.", **_LIMIT),
    _query("cursor", "The `next_cursor` of the page before.", pattern=f"^{CURSOR}$"),
]
OF_EXPORTS = [
    _query("format", "The format of the file.", enum=[*FORMATS]),
    _query("session_id", "The session with this id, in all its epochs.", format="uuid"),
    _query("since", "Events committed at this instant (ISO 8601) or later.", pattern=_INSTANT),
    _query("until", "Events committed before this instant.", pattern=_INSTANT),
    *FILTERS,
]
_NUMBER = {"type": "integer", "minimum": 0, "maximum": MAX_VERSION}
_LIMIT_OF_EVENTS = {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS, "default": 100}
OF_EVENTS = [
    _query(
        "after",
        "The events after this number; without it, from the first.",
        type="integer",
        minimum=0,
        maximum=MAX_VERSION,
    ),
    _query("limit", "Largest number of events in a page.", **_LIMIT_OF_EVENTS),
]
FILES: dict[Any, Any] = {
    (200, form.content_type.partition(";")[0]): {"type": "string", "format": "binary"} for form in FORMATS.values()
}
"""The answers of an export, by status and content type."""
