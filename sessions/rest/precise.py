"""What the generated document leaves open: the forms of ids and headers, rules between fields, answers of any door.

A document that says less than the server asks for sends its readers into 400s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sessions.bounds import MAX_VERSION
from sessions.presentation import StateView
from sessions.rest.schema import ERROR_SCHEMA
from sessions.services.outcome import MAX_KEY_LENGTH
from synckairos.engine import TimeoutAction
from synckairos.errors import AddressTooLong, ApiError, HeadersTooLarge, RequestTimeout
from synckairos.ids import TOKEN_ID_CHARS

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_TAG = '"v[1-9][0-9]{0,15}"'
"""Other tags are taken too, and match no version."""
_NAMES = "|".join(StateView.__struct_fields__)
_FORMS: dict[str, dict[str, Any]] = {
    "session_id": {"format": "uuid", "pattern": _UUID},
    "participant_id": {"format": "uuid", "pattern": _UUID},
    "token_id": {"pattern": f"^[0-9a-f]{{{TOKEN_ID_CHARS}}}$"},
    "Idempotency-Key": {"maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "If-Match": {"pattern": rf"^(\*|{_TAG}(, {_TAG})*)$"},
    "since_version": {"minimum": 0, "maximum": MAX_VERSION},
    "fields": {"pattern": f"^({_NAMES})(,({_NAMES}))*$"},
}
_SELECTION = "StateSelectionView"
_SET = {"type": "integer"}
_UNSET = {"type": "null"}
_SOMEBODY = {"type": "array", "minItems": 1}
_RULES: dict[str, dict[str, Any]] = {
    "CreateBodyRequest": {
        "oneOf": [
            {"required": ["total_time_ms"], "properties": {"sync_mode": {"const": "global"}, "total_time_ms": _SET}},
            {
                "required": ["time_per_cycle_ms", "participants"],
                "properties": {
                    "sync_mode": {"const": "per_cycle"},
                    "time_per_cycle_ms": _SET,
                    "participants": _SOMEBODY,
                },
            },
            {
                "required": ["participants"],
                "properties": {
                    "sync_mode": {"enum": ["per_participant", "per_group"]},
                    "participants": _SOMEBODY,
                },
            },
            {"properties": {"sync_mode": {"const": "count_up"}}},
        ]
    },
    "SessionTokenBodyRequest": {
        "oneOf": [
            {
                "required": ["participant_id"],
                "properties": {"role": {"const": "participant"}, "participant_id": {"type": "string"}},
            },
            {"properties": {"role": {"enum": ["viewer", "controller"]}, "participant_id": _UNSET}},
        ]
    },
    "PatchedAdjustBodyRequest": {
        "oneOf": [
            {"required": ["total_time_ms"], "properties": {"total_time_ms": _SET, "adjust_ms": _UNSET}},
            {"required": ["adjust_ms"], "properties": {"adjust_ms": _SET, "total_time_ms": _UNSET}},
        ]
    },
}
_ACTION = {
    "required": ["type"],
    "properties": {"type": {"type": "string", "enum": [action.value for action in TimeoutAction]}},
}
_PLAYERS = ("aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002")
_EXAMPLE = {
    "sync_mode": "per_participant",
    "increment_ms": 2_000,
    "participants": [{"participant_id": player, "total_time_ms": 60_000} for player in _PLAYERS],
}
_LINKED = {
    "session_id": "$response.body#/data/session_id",
    "participant_id": "$response.body#/data/participants/0/participant_id",
}
_ANYWHERE: tuple[type[ApiError], ...] = (AddressTooLong, HeadersTooLarge)


def document(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """A drf-spectacular postprocessing hook, the last one."""
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("Request"):
            schema |= {"additionalProperties": False, **_RULES.get(name, {})}
    schemas["CreateBodyRequest"]["properties"]["action_on_timeout"] |= _ACTION
    _say_selections(result)
    for part in _parts(result):
        if part.get("format") == "uuid":
            part["pattern"] = _UUID
        if part.get("minLength") == 1:
            part.setdefault("pattern", r"\S")  # spaces around a text do not count
    _say_what_follows(result)
    for operation in (operation for item in result["paths"].values() for operation in item.values()):
        _say_parameters(operation)
        _say_answers(operation)
    return result


def _say_selections(result: dict[str, Any]) -> None:
    """A read with `fields` answers with some of a state."""
    schemas = result["components"]["schemas"]
    schemas[_SELECTION] = {name: value for name, value in schemas["StateView"].items() if name != "required"}
    read = result["paths"]["/v1/sessions/{session_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    some = {"$ref": f"#/components/schemas/{_SELECTION}"}
    read["schema"]["properties"]["data"] = {"anyOf": [read["schema"]["properties"]["data"], some]}


def _say_what_follows(result: dict[str, Any]) -> None:
    """A creation's example, and where its answer leads: to every operation on that session."""
    creation = result["paths"]["/v1/sessions"]["post"]
    creation["requestBody"]["content"]["application/json"]["example"] = _EXAMPLE
    creation["responses"]["201"]["links"] = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {name: source for name, source in _LINKED.items() if f"{{{name}}}" in path},
        }
        for path, item in result["paths"].items()
        for operation in item.values()
        if "{session_id}" in path
    }
    adjust = result["paths"]["/v1/sessions/{session_id}/participants/{participant_id}"]["patch"]
    adjust["requestBody"]["required"] = True


def _say_parameters(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        parameter["schema"] |= _FORMS.get(parameter["name"], {})


def _say_answers(operation: dict[str, Any]) -> None:
    """Those of the server itself, before anybody knows which door is meant (sessions/serving/http_protocol.py)."""
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
