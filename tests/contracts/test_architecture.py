"""The laws of the house that no linter knows."""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from sessions.commands import COMMANDS
from synckairos import close_codes, errors
from synckairos.engine import commands as engine_commands
from synckairos.engine import events, refusals

decide = import_module("synckairos.engine.decide")  # the package has a function of this name
ROOT = Path(__file__).resolve().parent.parent.parent
ENGINE = sorted((ROOT / "synckairos" / "engine").rglob("*.py"))
ROOMS = ("config", "sessions", "timesync", "audit", "synckairos")
CLOCKS = {"time", "random", "secrets", "asyncio", "threading", "socket", "os"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_the_engine_imports_only_the_standard_library_and_msgspec_and_reads_no_clock(path):
    for name in imported(path):
        top = name.partition(".")[0]
        if top == "synckairos":
            assert name.startswith("synckairos.engine")
        else:
            assert top == "msgspec" or (top in sys.stdlib_module_names and top not in CLOCKS)
    assert "datetime.now" not in path.read_text()


def test_only_the_commit_writes_a_session_and_nobody_sends_to_a_group_by_hand():
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text()
            assert "group_send" not in text, path
            assert "async_to_sync" not in text, path


def test_every_error_has_a_code_of_its_own_and_a_status_that_fits():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ApiError)]
    # StoreFull is what its parent says, with a reason: a client does the same about both.
    without = {errors.ApiError, errors.InternalError, errors.StoreFull}
    named = [kind for kind in kinds if kind not in without]
    codes = [kind.code for kind in named]
    assert len(set(codes)) == len(codes)
    for kind in named:
        assert 400 <= kind.http_status < 600
        assert isinstance(kind.close_code, close_codes.CloseCode)


def test_every_event_type_has_a_name_in_the_past_tense_and_a_tag_of_its_own():
    kinds = events.EVENT_TYPES
    tags = [kind.__struct_config__.tag for kind in kinds.values()]
    assert len(set(tags)) == len(tags) == 22
    assert all(name.endswith(("ed", "undone")) for name in kinds)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the modules that each module names in any import, those in functions and for type checks included."""
    graph: dict[str, set[str]] = {}
    for module, source in sources.items():
        names: set[str] = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{module} has a relative import"
                members = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                names |= {member if member in sources else node.module or "" for member in members.values()}
        graph[module] = names & sources.keys()
    return graph


def test_no_modules_import_each_other_in_a_circle():
    rooms = (*ROOMS, "deploy")
    sources = {name_of(path): path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py")}
    graphlib.TopologicalSorter(import_graph(sources)).prepare()  # CycleError names one


@pytest.mark.parametrize(
    "back",
    [
        "import a.b",
        "from a import b",
        "from a.b import name",
        "if TYPE_CHECKING:\n    from a.b import Name",
        "def f():\n    import a.b",
    ],
)
def test_an_import_of_any_kind_closes_a_circle(back):
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(import_graph({"a": "", "a.b": "from a import c", "a.c": back})).prepare()


def test_every_command_has_its_statuses_its_event_and_its_row_in_the_table_of_commands():
    kinds = set(get_args(engine_commands.Command))
    assert decide._ALLOWED.keys() == kinds
    assert decide._EVENT_OF.keys() == kinds
    assert {row.kind for row in COMMANDS} == kinds
    assert len(COMMANDS) == len(kinds)


def test_every_refusal_of_the_engine_has_an_error_of_its_own():
    source = (ROOT / "synckairos" / "error_mapping.py").read_text()
    inner = {refusals.Refusal, refusals.Unsettled}  # a base, and one that the services handle themselves
    kinds = [k for k in vars(refusals).values() if isinstance(k, type) and issubclass(k, refusals.Refusal)]
    assert not [kind.__name__ for kind in kinds if kind not in inner and f"refusals.{kind.__name__}(" not in source]


def test_files_stay_small():
    long = {
        str(path.relative_to(ROOT)): count
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "migrations" not in path.parts and (count := len(path.read_text().splitlines())) > 300
    }
    assert not long
