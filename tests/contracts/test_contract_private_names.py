"""Names of libraries that are not public: docs/webserver.md lists those in use, and their versions are exact pins."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

import pytest

from tests.servers import ROOT

DOCUMENT = (ROOT / "docs" / "webserver.md").read_text()
PIN = re.compile(r"^([a-z-]+)(?:\[\w+\])?==(\S+)", re.MULTILINE)
PINS = dict(PIN.findall((ROOT / "requirements" / "base.in").read_text()))
CODE = re.compile(r"`([^`]+)`")
FILES = [path for room in ("webserver", "redis") for path in sorted((ROOT / "synckairos" / room).glob("*.py"))]


class Row(NamedTuple):
    """One class or module of a library, and which of its names are used where."""

    library: str
    place: str
    names: set[str]
    files: list[Path]
    tests: list[Path]


def rows() -> Iterator[Row]:
    """Read the table of the document."""
    for library, place, names, files, tests in re.findall(
        r"^\| ([a-z-]+) \| `([\w.]+)` \| (.+) \| (.+) \| (.+) \|$", DOCUMENT, re.MULTILINE
    ):
        paths = [[ROOT / name for name in CODE.findall(cell)] for cell in (files, tests)]
        yield Row(library, place, set(CODE.findall(names)), *paths)


ROWS = list(rows())


def nodes_of(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def names_of(place: Any) -> set[str]:
    """Return the names of a library's module, or of a class: methods, and attributes that they set."""
    if not inspect.isclass(place):
        return set(vars(place))
    library = place.__module__.partition(".")[0]
    bases = [base for base in place.__mro__ if base.__module__.partition(".")[0] == library]
    return {name for base in bases for name in {*vars(base), *set_on_self(inspect.getsource(base))}}


def set_on_self(source: str) -> set[str]:
    attributes = [node for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.Attribute)]
    return {
        node.attr
        for node in attributes
        if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def names_in_classes(path: Path) -> set[str]:
    """Return what the classes of a file define, and what they reach through `self` or `super()`."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.ClassDef):
            found |= {part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
            fields = [target for part in node.body if isinstance(part, ast.Assign) for target in part.targets]
            fields += [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
            found |= {field.id for field in fields if isinstance(field, ast.Name)}
        elif isinstance(node, ast.Attribute):
            owner = node.value.func if isinstance(node.value, ast.Call) else node.value
            if isinstance(owner, ast.Name) and owner.id in {"self", "super"}:
                found.add(node.attr)
    return found


@pytest.mark.parametrize("library", ["channels-redis", "redis", "uvicorn", "websockets"])
def test_a_library_whose_private_names_are_used_is_pinned_to_what_is_installed(library):
    assert any(row.library == library for row in ROWS)
    assert PINS[library] == metadata.version(library)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.place)
def test_every_listed_name_is_in_its_library_and_in_the_code(row):
    assert not row.names - names_of(resolve_name(row.place))
    code = "".join(path.read_text() for path in row.files)
    assert not {name for name in row.names if not re.search(rf"\b{name}\b", code)}
    assert all(path.exists() for path in row.tests)


@pytest.mark.parametrize("row", [row for row in ROWS if row.library == "uvicorn"], ids=lambda row: row.place)
def test_every_name_of_uvicorn_that_a_subclass_uses_is_listed(row):
    place = resolve_name(row.place)
    theirs = {name for name in names_of(place) if not name.startswith("__")} - set(dir(asyncio.Protocol))
    ours = {name for path in row.files for name in names_in_classes(path)}
    assert not (theirs & ours) - row.names


def test_every_private_attribute_of_a_library_that_is_reached_is_listed():
    own = {
        name for path in FILES for name in names_in_classes(path) - {row_name for row in ROWS for row_name in row.names}
    }
    reached = {node.attr for path in FILES for node in nodes_of(path) if isinstance(node, ast.Attribute)}
    listed = {name for row in ROWS for name in row.names}
    assert not {name for name in reached - own - listed if re.match("_[a-z]", name)}


def test_every_test_that_the_document_names_exists():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    assert named
    assert not {name for name in named if f"def {name}(" not in tests}
