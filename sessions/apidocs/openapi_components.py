"""Names for the components of the OpenAPI document: every schema that is used twice is one component with a name.

Without names, generators of clients number their classes, or fail on references to them (tests/generated/).
"""

from __future__ import annotations

from typing import Any

from synckairos.auth.grants import GRANTED
from synckairos.auth.permissions import GRANTABLE
from synckairos.engine.units import Status, SyncMode, TimeoutAction, Visibility
from synckairos.http.openapi import ref

_CHOICES: dict[str, tuple[str, ...]] = {
    "SyncMode": tuple(mode.value for mode in SyncMode),
    "Status": tuple(status.value for status in Status),
    "Visibility": tuple(one.value for one in Visibility),
    "Role": tuple(role.value for role in GRANTED),
    "Permission": tuple(action.value for action in GRANTABLE),
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
_RESPONSES = {
    ("getHealth", "200"): "Health",
    ("getTime", "200"): "Time",
    ("getKeys", "200"): "KeySet",
}
"""Components of responses without an envelope."""
_ACTIONS = ("action_on_timeout", "action_applied")


def document(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Name the components (drf-spectacular postprocessing hook)."""
    components = result["components"]
    components["schemas"] = {**_with_references(components["schemas"]), **_COMPONENTS}
    result["paths"] = _with_references(result["paths"])
    for operation in (operation for item in result["paths"].values() for operation in item.values()):
        for (name, status), component in _RESPONSES.items():
            if operation["operationId"] == name:
                content = operation["responses"][status]["content"]["application/json"]
                components["schemas"][component] = content["schema"]
                content["schema"] = ref(component)
    return result


def _with_references(node: Any, name: str = "") -> Any:
    """Return a part of the document, with references to named components. `name` is the key of the part."""
    if isinstance(node, list):
        return [_with_references(item, name) for item in node]
    if not isinstance(node, dict):
        return node
    if name == "properties":  # their names are no keywords
        return {key: _with_references(value, key) for key, value in node.items()}
    if isinstance(node.get("enum"), list) and len(node["enum"]) == 1:
        node = {**node, "type": "string", "const": node["enum"][0]}
        node.pop("enum")
    found = _name_of(node, name)
    if found is not None:
        return ref(found)
    return {key: _with_references(value, key) for key, value in node.items()}


def _name_of(node: dict[str, Any], name: str) -> str | None:
    """Return the name of the component that a schema equals, or None."""
    kind = node.get("type")
    if kind in {"string", None} and isinstance(node.get("enum"), list):
        return _NAMES.get(frozenset(node["enum"]))
    if kind == "object" and (not node.get("properties") or name in _ACTIONS) and "items" not in node:
        return "TimeoutAction" if name in _ACTIONS else "JsonObject"
    return None
