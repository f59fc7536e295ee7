"""Additions to the generated document: the forms of ids and headers, rules between fields, and answers of every
operation.

Without them a client that follows the document would get answers with status 400.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sessions.apidocs.openapi import ERROR_SCHEMA
from sessions.entity_tags import EPOCH_FORM, VERSION_FORM
from sessions.presentation import StateView
from sessions.requests.values import MAX_VERSION, UUID_PATTERN
from sessions.services.outcome import MAX_KEY_LENGTH
from synckairos.errors import AddressTooLong, ApiError, HeadersTooLarge, RequestTimeout
from synckairos.ids import TOKEN_ID_CHARS

_TAG = f'"{VERSION_FORM}(-{EPOCH_FORM})?"'
"""Other tags are taken too, and match no version."""
_NAMES = "|".join(StateView.__struct_fields__)
_FORMS: dict[str, dict[str, Any]] = {
    "session_id": {"format": "uuid", "pattern": UUID_PATTERN},
    "participant_id": {"format": "uuid", "pattern": UUID_PATTERN},
    "token_id": {"pattern": f"^[0-9a-f]{{{TOKEN_ID_CHARS}}}$"},
    "Idempotency-Key": {"maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "If-Match": {"pattern": rf"^(\*|{_TAG}(, {_TAG})*)$"},
    "since_version": {"minimum": 0, "maximum": MAX_VERSION},
    "fields": {"pattern": f"^({_NAMES})(,({_NAMES}))*$"},
}
_SET = {"type": "integer"}
_UNSET = {"type": "null"}
_SOMEBODY = {"type": "array", "minItems": 1}


def _when(name: str, *values: str) -> dict[str, Any]:
    return {"properties": {name: {"enum": [*values]}}, "required": [name]}


_RULES: dict[str, dict[str, Any]] = {
    "CreateSessionRequest": {
        "if": _when("sync_mode", "global"),
        "then": {"required": ["total_time_ms"], "properties": {"total_time_ms": _SET}},
        "else": {
            "if": _when("sync_mode", "per_participant", "per_group", "per_cycle"),
            "then": {
                "required": ["participants"],
                "properties": {"participants": _SOMEBODY},
                "if": _when("sync_mode", "per_cycle"),
                "then": {"required": ["time_per_cycle_ms"], "properties": {"time_per_cycle_ms": _SET}},
            },
        },
    },
    "SessionTokenRequest": {
        "if": _when("role", "participant"),
        "then": {"required": ["participant_id"], "properties": {"participant_id": {"type": "string"}}},
        "else": {"properties": {"participant_id": _UNSET}},
    },
    "AdjustTimeRequest": {
        "if": {"required": ["user_id"]},
        "then": {"properties": {"total_time_ms": _UNSET, "adjust_ms": _UNSET}},
        "else": {
            "if": {"required": ["total_time_ms"], "properties": {"total_time_ms": _SET}},
            "then": {"properties": {"adjust_ms": _UNSET}},
            "else": {"required": ["adjust_ms"], "properties": {"adjust_ms": _SET}},
        },
    },
}
"""Rules between fields. As `if` and `then`, which generators of clients pass over: a `oneOf` would make them give up on
the body, or split it into classes that nobody can tell apart."""
_LINKED = {
    "session_id": "$response.body#/data/session_id",
    "participant_id": "$response.body#/data/participants/0/participant_id",
}
_ANYWHERE: tuple[type[ApiError], ...] = (AddressTooLong, HeadersTooLarge)


def document(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """A drf-spectacular postprocessing hook, before parts get names of their own (openapi_components.py)."""
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("Request"):
            schema |= {"additionalProperties": False, **_RULES.get(name, {})}
    for part in _parts(result):
        if part.get("format") == "uuid":
            part["pattern"] = UUID_PATTERN
        if part.get("minLength") == 1:
            part.setdefault("pattern", r"\S")  # white space alone is no text
    _say_what_follows(result)
    for operation in (operation for item in result["paths"].values() for operation in item.values()):
        if "requestBody" in operation:
            _say_whether_required(operation["requestBody"], schemas)
        _say_parameters(operation)
        _say_answers(operation)
    return result


def _say_what_follows(result: dict[str, Any]) -> None:
    """Add links from the answer to a creation to every operation on that session."""
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


def _say_whether_required(body: dict[str, Any], schemas: dict[str, Any]) -> None:
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    if "required" in schemas[name] or name == "AdjustTimeRequest":
        body["required"] = True


def _say_parameters(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        parameter["schema"] |= _FORMS.get(parameter["name"], {})


def _say_answers(operation: dict[str, Any]) -> None:
    """Those of the server itself, before anybody knows which door is meant (synckairos/webserver/http_protocol.py)."""
    for error in (*_ANYWHERE, *((RequestTimeout,) if "requestBody" in operation else ())):
        operation["responses"][str(error.http_status)] = {
            "description": error.code,
            "content": {"application/json": {"schema": ERROR_SCHEMA}},
        }


def _parts(item: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document."""
    if isinstance(item, dict):
        yield item
        for value in item.values():
            yield from _parts(value)
    elif isinstance(item, list):
        for value in item:
            yield from _parts(value)
