"""What in a test hangs on how fast the machine is, found by reading its source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE_S = 30.0
"""The least for what only keeps a test from hanging."""
PAUSE_S = 0.05
"""The longest between two looks at something."""
SOON_S = 20.0
"""What a slow machine may take between two steps of a test."""
_CLOCKS = {"monotonic", "perf_counter", "process_time", "time"}
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
Finding = tuple[int, str]
"""The line, and what is wrong with it."""


def hurried(path: Path) -> dict[str, list[str]]:
    """What hangs on speed in a file, by function (a method by its own name)."""
    every: dict[str, list[str]] = {}
    for function in _functions(ast.parse(path.read_text())):
        for line, what in (finding for rule in _RULES for finding in rule(function)):
            every.setdefault(function.name, []).append(f"line {line} {what}")
    return every


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The outermost ones."""
    for node in tree.body:
        for part in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(part, _FUNCTION):
                yield part


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _number(node: ast.AST | None) -> float | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _is_instant(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node) in _CLOCKS and not node.args


class _Durations:
    """Which names of a function hold instants, and which hold differences of these."""

    def __init__(self, function: ast.AST) -> None:
        self.instants: set[str] = set()
        self.durations: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                self._assign(node)

    def _assign(self, node: ast.Assign) -> None:
        names = {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        if self._has_instant(node.value):
            self.instants |= names
        if not _is_instant(node.value) and self.has_duration(node.value):
            self.durations |= names

    def _has_instant(self, node: ast.AST) -> bool:
        return any(
            _is_instant(part) or (isinstance(part, ast.Name) and part.id in self.instants) for part in ast.walk(node)
        )

    def has_duration(self, node: ast.AST) -> bool:
        """Whether an expression is made from a difference of two instants, or is an instant itself."""
        return _is_instant(node) or any(self._is_duration(part) for part in ast.walk(node))

    def _is_duration(self, part: ast.AST) -> bool:
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub):
            return self._has_instant(part.left) and self._has_instant(part.right)
        return isinstance(part, ast.Name) and part.id in self.durations


def _asserted_durations(function: ast.AST) -> Iterator[Finding]:
    """`assert monotonic() - began < 5`, and the same by way of names."""
    known = _Durations(function)
    checks = (node.test for node in ast.walk(function) if isinstance(node, ast.Assert))
    compared = (part for check in checks for part in ast.walk(check) if isinstance(part, ast.Compare))
    for node in compared:
        sides = [node.left, *node.comparators]
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            smaller = {ast.Lt: left, ast.LtE: left, ast.Gt: right, ast.GtE: right}.get(type(op))
            if smaller is not None and known.has_duration(smaller):
                yield node.lineno, "asserts that something takes less than so long"


def _impatience(function: ast.AST) -> Iterator[Finding]:
    """Limits that a slow machine may meet."""
    for call in _calls(function):
        name, args = _name(call), call.args
        if name == "to_thread" and args:
            name, args = ast.unparse(args[0]).rpartition(".")[2], args[1:]
        place = {"wait_until": 1, "wait_for": 1, "timeout": 0}.get(name, len(args))
        limits = args[place : place + 1]
        names = {"timeout", "within_s", "timeout_s", "max_duration_s"}
        limits += [word.value for word in call.keywords if word.arg in names]
        for seconds in map(_number, limits):
            if seconds is not None and seconds < PATIENCE_S:
                yield call.lineno, f"waits for no longer than {seconds} s"


def _sleeps(function: ast.AST) -> Iterator[Finding]:
    """Sleeping until something has surely happened."""
    for call in _calls(function):
        if _name(call) == "sleep" and isinstance(call.func, ast.Attribute):
            seconds = _number(call.args[0])
            if seconds is None or seconds > PAUSE_S:
                yield call.lineno, f"sleeps for {ast.unparse(call.args[0])} s"


def _real_expiries(function: ast.AST) -> Iterator[Finding]:
    """Tokens and limits that change while a slow machine is at work."""
    for call in _calls(function):
        for word in call.keywords:
            seconds = _number(word.value) or 0
            if _name(call) == "timedelta" and word.arg == "seconds" and 0 < seconds < SOON_S:
                yield call.lineno, "lets something expire by the real clock"
            if str(word.arg).startswith("RATE_LIMIT_") and ast.unparse(word.value).endswith("/s'"):
                yield call.lineno, "has a limit that gives back within seconds"
        if _name(call) == "Rate" and len(call.args) > 1 and (_number(call.args[1]) or 60_000) < 60_000:
            yield call.lineno, "has a limit that gives back within a minute"


_RULES: list[Callable[[ast.AST], Iterator[Finding]]] = [_asserted_durations, _impatience, _sleeps, _real_expiries]
