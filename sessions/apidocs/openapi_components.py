"""Makes the OpenAPI document one that generators of clients understand: what is used twice has a name, once.

Without names they number the classes they make, or give up on what refers to them (tests/generated/).
"""

from __future__ import annotations

from typing import Any

from synckairos.auth.grants import GRANTED
from synckairos.auth.permissions import PARTICIPANT_PERMISSIONS
from synckairos.engine.units import Status, SyncMode, TimeoutAction, Visibility
from synckairos.http.openapi import ref

_CHOICES: dict[str, tuple[str, ...]] = {
    "SyncMode": tuple(mode.value for mode in SyncMode),
    "Status": tuple(status.value for status in Status),
    "Visibility": tuple(one.value for one in Visibility),
    "Role": tuple(role.value for role in GRANTED),
    "Permission": tuple(action.value for action in PARTICIPANT_PERMISSIONS),
    "StoreHealth": ("ok", "unreachable"),
    "AuditStoreHealth": ("ok", "unreachable", "unmigrated"),
    "TimekeeperHealth": ("ok", "absent", "unknown"),
}
_NAMES = {frozenset(values): name for name, values in _CHOICES.items()}
_OBJECT = {"type": "object", "additionalProperties": True}
_COMPONENTS: dict[str, Any] = {
    **{name: {"type": "string", "enum": [*values]} for name, values in _CHOICES.items()},
    "JsonObject": _OBJECT | {"description": "An object of yours, carried untouched."},
    "TimeoutAction": _OBJECT
    | {
        "description": "What happens when a clock runs out, and whatever else you want to see again with it.",
        "required": ["type"],
        "properties": {"type": ref("TimeoutActionType")},
    },
    "TimeoutActionType": {"type": "string", "enum": [action.value for action in TimeoutAction]},
}
_ANSWERS = {
    ("getHealth", "200"): "Health",
    ("getTime", "200"): "Time",
    ("getKeys", "200"): "KeySet",
}
"""Answers without an envelope."""
_ACTIONS = ("action_on_timeout", "action_applied")
_BESIDE = ("description", "title", "default")


def document(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """A drf-spectacular postprocessing hook."""
    components = result["components"]
    components["schemas"] = {**_named(components["schemas"]), **_COMPONENTS}
    result["paths"] = _named(result["paths"])
    for operation in (operation for item in result["paths"].values() for operation in item.values()):
        for (name, status), component in _ANSWERS.items():
            if operation["operationId"] == name:
                content = operation["responses"][status]["content"]["application/json"]
                components["schemas"][component] = content["schema"]
                content["schema"] = ref(component)
    return result


def _named(node: Any, name: str = "") -> Any:
    """A part of the document, in which what has a name of its own is referred to; `name` is the part's own key."""
    if isinstance(node, list):
        return [_named(item, name) for item in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if isinstance(kind, list) and "null" in kind:
        return _nullable(node, name)
    if isinstance(node.get("enum"), list) and len(node["enum"]) == 1:
        node = {**node, "type": "string", "const": node["enum"][0]}
        node.pop("enum")
    found = _name_of(node, name)
    return {key: _named(value, key) for key, value in node.items()} if found is None else ref(found)


def _nullable(node: dict[str, Any], name: str) -> dict[str, Any]:
    """`{"type": [T, "null"], …}` as a choice: generators take the rest of such a schema for that of null, too."""
    kinds = [kind for kind in node["type"] if kind != "null"]
    inner = {key: value for key, value in node.items() if key not in _BESIDE} | {"type": kinds[0]}
    if "enum" in inner:
        inner["enum"] = [value for value in inner["enum"] if value is not None]
    beside = {key: node[key] for key in _BESIDE if key in node}
    return {**beside, "anyOf": [_named(inner, name), {"type": "null"}]}


def _name_of(node: dict[str, Any], name: str) -> str | None:
    """The component that a schema is, when it is one."""
    kind = node.get("type")
    if kind in {"string", None} and isinstance(node.get("enum"), list):
        return _NAMES.get(frozenset(node["enum"]))
    if kind == "object" and (not node.get("properties") or name in _ACTIONS) and "items" not in node:
        return "TimeoutAction" if name in _ACTIONS else "JsonObject"
    return None
