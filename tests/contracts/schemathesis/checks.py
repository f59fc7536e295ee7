"""Snapshot by schemathesis: its check that right requests are taken, but for what no schema can say."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from synckairos.auth.names import MAX_NAME_LENGTH, is_name

CREATE = "POST /v1/sessions"

# No pattern can say all of it in every language (docs/access.md#names).
schemathesis.openapi.format("name", st.text(min_size=1, max_size=MAX_NAME_LENGTH).filter(is_name))


@schemathesis.check
def right_requests_are_taken(ctx: Any, response: Any, case: Any) -> bool | None:
    """A 400 about the session's status is an answer to a right request; a creation has rules between its fields."""
    if response.status_code == 400:
        if case.headers.get("If-Match") == "0":
            return None  # what its coverage phase takes for a right one, whatever the document's pattern
        error = response.json()["error"]
        if error["code"] == "INVALID_STATE_TRANSITION" or case.operation.label == CREATE:
            return None
    return positive_data_acceptance(ctx, response, case)
