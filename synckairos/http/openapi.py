"""Parts of OpenAPI documents: references to components, and the schemas of views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

REF = "#/components/schemas/{name}"


def ref(name: str) -> dict[str, Any]:
    """A component of the document."""
    return {"$ref": REF.format(name=name)}


def json_answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a response of an operation: JSON with this schema."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def get_path(name: str, tag: str, summary: str, responses: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a path that answers GET with the operation of this name."""
    return {"get": {"operationId": name, "tags": [tag], "summary": summary, "responses": responses, **more}}


def stem(name: str) -> str:
    return name.removesuffix("View")


def name_of(view: str) -> str:
    """Return the name of a view in docs/protocol.md, which the documents and generated classes use too."""
    return {"SwitchView": "SwitchResult", "BatchView": "Sessions"}.get(view, stem(view))


def _named(node: Any) -> Any:
    """A schema whose references have the document's names; generators take `title` for another name, so it goes."""
    if isinstance(node, list):
        return [_named(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return ref(name_of(node["$ref"].rpartition("/")[2]))
    return {key: _named(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}


def components_of(*views: type, schema_hook: Callable[[type], dict[str, Any]] | None = None) -> dict[str, Any]:
    """The schemas of views and of what they hold, by the names that the document has for them."""
    _, found = msgspec.json.schema_components(views, schema_hook=schema_hook, ref_template=REF)
    return {name_of(view): _named(schema) for view, schema in found.items()}
