"""Parts of OpenAPI documents: references to components, and the schemas of views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, inspect, structs

from synckairos.http.docstrings import attribute_docstrings

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
    found = described_components(views, schema_hook=schema_hook)
    return {name_of(view): _named(schema) for view, schema in found.items()}


def described_components(
    kinds: Iterable[Any], schema_hook: Callable[[type], dict[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the schemas of types and of all structs in them, by name; docstrings of fields are their descriptions."""
    kinds = [*kinds]
    _, found = msgspec.json.schema_components(kinds, schema_hook=schema_hook, ref_template=REF)
    for kind in set(_structs(inspect.multi_type_info(kinds), set())):
        docstrings = attribute_docstrings(kind)
        properties = found[kind.__name__]["properties"]
        for field in structs.fields(kind):
            if field.name in docstrings:
                properties[field.encode_name].setdefault("description", docstrings[field.name])
    return found


def _structs(node: Any, seen: set[type]) -> Iterator[type[Struct]]:
    """Yield the struct types in a description of types by msgspec."""
    if isinstance(node, inspect.StructType):
        if node.cls in seen:
            return
        seen.add(node.cls)
        yield node.cls
    if isinstance(node, inspect.Type | inspect.Field):
        node = [getattr(node, name) for name in node.__struct_fields__]
    if isinstance(node, list | tuple):
        for part in node:
            yield from _structs(part, seen)
