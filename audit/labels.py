"""The labels of a session: values of its metadata by which sessions are listed (SYNCKAIROS_METADATA_INDEX)."""

from __future__ import annotations

import json
from typing import Any

from audit.models import MAX_LABEL_VALUE
from synckairos.conf import conf


def labels_of(metadata: Any) -> tuple[tuple[str, str], ...]:
    """Return the labels of a session with this metadata, as keys and values.

    Texts are labels as they are, numbers and booleans as in JSON. Objects, lists, null and texts longer than
    MAX_LABEL_VALUE are none.
    """
    if not isinstance(metadata, dict):
        return ()
    found = ((key, label_text(metadata.get(key))) for key in conf().metadata_index)
    return tuple((key, text) for key, text in found if text is not None)


def label_text(value: Any) -> str | None:
    """Return the text of a label, or None for a value that is no label."""
    if isinstance(value, bool | int | float):
        text = json.dumps(value)
    elif isinstance(value, str):
        text = value
    else:
        return None
    return text if len(text) <= MAX_LABEL_VALUE and "\0" not in text else None
