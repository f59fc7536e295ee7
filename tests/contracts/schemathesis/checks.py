"""Snapshot by schemathesis: its check that right requests are taken, but for what no schema can say."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from synckairos.auth.names import MAX_NAME_LENGTH, is_name

CREATE = "POST /v1/sessions"
DEPENDING = {
    "POST /v1/sessions/{session_id}/participants": {"total_time_ms", "time_control", "group_id"},
    "PATCH /v1/sessions/{session_id}/participants/{participant_id}": {"total_time_ms", "adjust_ms"},
    "PATCH /v1/sessions/{session_id}/clock": {"adjust_ms", "set_ms", "at_least_ms"},
    "GET /v1/sessions/{session_id}": {"at", "sequence"},
}
"""Fields of which the session says what they may be."""
NOTATIONS = ("300", "*180", "300+2", "300+5d", "300B5", "40/5400+30:1800+30", "600 5x30 byo-yomi", "15/300 Canadian")

# No pattern can say all of it in every language (docs/access.md#names, docs/clock.md).
schemathesis.openapi.format("name", st.text(min_size=1, max_size=MAX_NAME_LENGTH).filter(is_name))
schemathesis.openapi.format("time-control", st.sampled_from(NOTATIONS))


@schemathesis.check
def right_requests_are_taken(ctx: Any, response: Any, case: Any) -> bool | None:
    """A 400 about the session's status or mode is an answer to a right request; a creation has rules between its
    fields."""
    if response.status_code == 400:
        if case.headers.get("If-Match") == "0":
            return None  # what its coverage phase takes for a right one, whatever the document's pattern
        error = response.json()["error"]
        if error["code"] == "INVALID_STATE_TRANSITION" or case.operation.label == CREATE:
            return None
        wrong = {problem["field"].partition(".")[0] for problem in error["details"]}
        if wrong <= DEPENDING.get(case.operation.label, set()):
            return None
    return positive_data_acceptance(ctx, response, case)
