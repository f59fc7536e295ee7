"""Details that drf-spectacular cannot derive: forms of ids and headers, rules between fields, common responses.

With them, a request that fits the document is not answered with 400.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sessions.apidocs.openapi import ERROR_SCHEMA
from sessions.entity_tags import EPOCH_FORM, VERSION_FORM
from sessions.requests.values import MAX_VERSION, UUID_PATTERN
from sessions.schemas import StateView
from sessions.services.outcome import MAX_KEY_LENGTH
from synckairos.errors import AddressTooLong, ApiError, HeadersTooLarge, RequestTimeout
from synckairos.http.openapi import json_answer
from synckairos.ids import TOKEN_ID_CHARS

_TAG = f'"{VERSION_FORM}(-{EPOCH_FORM})?"'
"""Form of our entity tags. Other tags are accepted, and match no version."""
_NAMES = "|".join(StateView.__struct_fields__)
_FORMS: dict[str, dict[str, Any]] = {
    "session_id": {"format": "uuid", "pattern": UUID_PATTERN},
    "participant_id": {"format": "uuid", "pattern": UUID_PATTERN},
    "token_id": {"pattern": f"^[0-9a-f]{{{TOKEN_ID_CHARS}}}$"},
    "Idempotency-Key": {"maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "If-Match": {"pattern": rf"^(\*|{_TAG}(, {_TAG})*)$"},
    "since_version": {"minimum": 0, "maximum": MAX_VERSION},
    "at": {"format": "date-time"},
    "sequence": {"minimum": 1, "maximum": MAX_VERSION},
    "fields": {"pattern": f"^({_NAMES})(,({_NAMES}))*$"},
}
_SET = {"type": "integer"}
_UNSET = {"type": "null"}
_NOT_EMPTY = {"type": "array", "minItems": 1}


def _if_one_of(name: str, *values: str) -> dict[str, Any]:
    return {"properties": {name: {"enum": [*values]}}, "required": [name]}


def _exactly_one(name: str, *others: str) -> dict[str, Any]:
    """Return the rule that one of these fields is an integer, and that the others are absent or null."""
    given = {"required": [name], "properties": {name: _SET}}
    if not others:
        return given
    return {"if": given, "then": {"properties": dict.fromkeys(others, _UNSET)}, "else": _exactly_one(*others)}


_HAS_NO_CONTROL = {"properties": {"time_control": _UNSET}}
_HAS_TIME = {"if": _HAS_NO_CONTROL, "then": {"required": ["total_time_ms"], "properties": {"total_time_ms": _SET}}}
"""The owner of a clock has a time to begin with; that its time control has one is no rule of the document."""
_HAVE_TIME = {
    "if": _HAS_NO_CONTROL,
    "then": {
        "properties": {"groups": {"items": _HAS_TIME}},
        "if": _if_one_of("sync_mode", "per_group") | {"properties": {"groups": _NOT_EMPTY}, "required": ["groups"]},
        "else": {"properties": {"participants": {"items": _HAS_TIME}}},
    },
}
_FITS_MODE = {
    "if": _if_one_of("sync_mode", "global"),
    "then": {"required": ["total_time_ms"], "properties": {"total_time_ms": _SET}},
    "else": {
        "if": _if_one_of("sync_mode", "per_participant", "per_group", "per_cycle"),
        "then": {
            "required": ["participants"],
            "properties": {"participants": _NOT_EMPTY},
            "if": _if_one_of("sync_mode", "per_cycle"),
            "then": {"required": ["time_per_cycle_ms"], "properties": {"time_per_cycle_ms": _SET}},
        },
    },
}
_RULES: dict[str, dict[str, Any]] = {
    "CreateSessionRequest": {"if": True, "then": {"allOf": [_FITS_MODE, _HAVE_TIME]}},
    "SessionTokenRequest": {
        "if": _if_one_of("role", "participant"),
        "then": {"required": ["participant_id"], "properties": {"participant_id": {"type": "string"}}},
        "else": {"properties": {"participant_id": _UNSET}},
    },
    "AdjustTimeRequest": {
        "if": {"required": ["user_id"]},
        "then": {"properties": {"total_time_ms": _UNSET, "adjust_ms": _UNSET}},
        "else": _exactly_one("total_time_ms", "adjust_ms"),
    },
    "AdjustClockRequest": _exactly_one("adjust_ms", "set_ms", "at_least_ms"),
}
"""Rules between fields, as `if` and `then`, which generators of clients ignore. With `oneOf` they would fail on the
body, or split it into several classes."""
_NEVER_EMPTY = frozenset({"AdjustTimeRequest", "AdjustClockRequest"})
"""Bodies of which one of several fields is required."""
_LINKED = {
    "session_id": "$response.body#/data/session_id",
    "participant_id": "$response.body#/data/participants/0/participant_id",
}
_COMMON_ERRORS: tuple[type[ApiError], ...] = (AddressTooLong, HeadersTooLarge)


def document(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Add the details (drf-spectacular postprocessing hook, before openapi_components.py)."""
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("Request"):
            schema |= {"additionalProperties": False, **_RULES.get(name, {})}
    for part in _objects(result):
        if part.get("format") == "uuid":
            part["pattern"] = UUID_PATTERN
    _put_creation_first(result["paths"])
    _add_links(result)
    for operation in (operation for item in result["paths"].values() for operation in item.values()):
        if "requestBody" in operation:
            _add_required(operation["requestBody"], schemas)
        for parameter in operation.get("parameters", ()):
            parameter["schema"] |= _FORMS.get(parameter["name"], {})
        _add_common_responses(operation)
    return result


def _put_creation_first(paths: dict[str, Any]) -> None:
    """Put the creation before the list: from top to bottom, the page is a tour that begins with it."""
    paths["/v1/sessions"] = {"post": paths["/v1/sessions"].pop("post"), **paths["/v1/sessions"]}


def _add_links(result: dict[str, Any]) -> None:
    """Add links from the response of a creation to every operation on that session."""
    creation = result["paths"]["/v1/sessions"]["post"]
    creation["responses"]["201"]["links"] = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {name: source for name, source in _LINKED.items() if f"{{{name}}}" in path},
        }
        for path, item in result["paths"].items()
        for operation in item.values()
        if "{session_id}" in path
    }


def _add_required(body: dict[str, Any], schemas: dict[str, Any]) -> None:
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    if "required" in schemas[name] or name in _NEVER_EMPTY:
        body["required"] = True


def _add_common_responses(operation: dict[str, Any]) -> None:
    """Add the responses of the server itself, before a request is routed (synckairos/webserver/http_protocol.py)."""
    for error in (*_COMMON_ERRORS, *((RequestTimeout,) if "requestBody" in operation else ())):
        operation["responses"][str(error.http_status)] = json_answer(error.code, ERROR_SCHEMA)


def _objects(item: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the document."""
    if isinstance(item, dict):
        yield item
        for value in item.values():
            yield from _objects(value)
    elif isinstance(item, list):
        for value in item:
            yield from _objects(value)
