"""Docstrings of attributes, which Python does not keep: the API's documents read them from the source."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise

_ROOMS = frozenset({"sessions", "synckairos"})


def attribute_docstrings(kind: type) -> dict[str, str]:
    """Return the docstring of each attribute of a class that has one, those of its bases included, with null for
    None."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] in _ROOMS:
            found |= _classes(base.__module__).get(base.__name__, {})
    return found


@cache
def _classes(module: str) -> Mapping[str, dict[str, str]]:
    """Return the docstrings of every class of a module, by name."""
    body = ast.parse(getsource(sys.modules[module])).body
    return {node.name: dict(_docstrings(node.body)) for node in body if isinstance(node, ast.ClassDef)}


def _docstrings(body: list[ast.stmt]) -> Iterable[tuple[str, str]]:
    """Yield the attributes after which a text stands, with the text."""
    for above, line in pairwise(body):
        match above, line:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, re.sub(r"\bNone\b", "null", cleandoc(text))
