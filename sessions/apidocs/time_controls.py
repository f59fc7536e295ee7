"""The component `TimeControl` of both documents: a union of the time controls of the engine, told apart by `type`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from sessions.requests.values import MIN_TIME_MS
from synckairos.engine.controls import CONTROLS, TimeControl
from synckairos.engine.controls.stages import Until
from synckairos.engine.controls.table import TABLE
from synckairos.http.openapi import components_of, ref

Schema: TypeAlias = dict[str, Any]

_ANY = "A time control: the rule by which a clock runs."
_OF_STAGE = "The time control of a stage: each of them but stages. Default: `sudden_death`."


def components() -> dict[str, Schema]:
    """Return the schemas by name: the unions, each time control, and what they hold. Unknown fields are accepted."""
    parts = {name: _lenient(part) for name, part in components_of(*CONTROLS).items()}
    parts["Stage"]["properties"]["control"] = ref("StageTimeControl")
    parts["PerTurn"]["properties"]["time_ms"]["minimum"] = MIN_TIME_MS
    parts["Until"]["description"] = f"What ends a stage. Default: `{Until.TURNS}`."
    return {"TimeControl": _union(CONTROLS, _ANY), "StageTimeControl": _union(TABLE, _OF_STAGE), **parts}


def strict_components() -> dict[str, Schema]:
    """Return the schemas by name, with the names of the fields that requests may have.

    Generators of clients ignore `propertyNames`, so that their clients read fields that later versions add.
    """
    return {
        name: part | {"propertyNames": {"enum": [*part["properties"]]}} if "properties" in part else part
        for name, part in components().items()
    }


def _union(kinds: Iterable[type[TimeControl]], description: str) -> Schema:
    references = {str(kind.__struct_config__.tag): ref(kind.__name__) for kind in kinds}
    return {
        "description": description,
        "anyOf": [*references.values()],
        "discriminator": {
            "propertyName": "type",
            "mapping": {tag: reference["$ref"] for tag, reference in references.items()},
        },
    }


def _lenient(part: Schema) -> Schema:
    """Return the schema of a time control without defaults, which generated clients would send: they are told."""
    if "properties" not in part:
        return {"type": "string", **part}  # the choices of a field
    properties = {name: _told(schema) for name, schema in part["properties"].items()}
    return {key: value for key, value in part.items() if key != "additionalProperties"} | {"properties": properties}


def _told(schema: Schema) -> Schema:
    """Return the schema of a field with its default in the description."""
    default = schema.get("default")
    schema = {key: value for key, value in schema.items() if key != "default"}
    if default is None:
        return schema
    told = f"Default: `{msgspec.json.encode(default).decode()}`."
    return schema | {"description": f"{schema.get('description', '')} {told}".strip()}
