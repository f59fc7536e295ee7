"""Docstrings state facts: a subject or a verb in the third person, in at least four words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("config", "sessions", "timesync", "audit", "synckairos", "clients/python/src", "deploy")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
FIRST_WORDS = {"Who", "What", "Whose", "How", "Whether", "Where", "When"}
FEWEST_WORDS = 4


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield each string that is a statement, docstrings of attributes included, with its line number."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def fault_of(text: str) -> str | None:
    """Return the rule that a docstring breaks, or None."""
    words = text.split()
    if len(words) < FEWEST_WORDS:
        return f"fewer than {FEWEST_WORDS} words"
    if words[0].rstrip(",;:") in FIRST_WORDS or words[:2] == ["The", "same"]:
        return f"begins with {words[0]}"
    return None


def test_no_docstring_is_a_riddle():
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {fault}: {text.strip().splitlines()[0] if text.strip() else ''}"
        for path in FILES
        for line, text in docstrings(path.read_text())
        if (fault := fault_of(text))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "text",
    ["", "Do it.", "The same in seconds, as tokens have it.", "Whether it is due.", "What, then, a mode must answer."],
)
def test_short_texts_and_indirect_questions_are_faults(text):
    assert fault_of(text)


@pytest.mark.parametrize("text", ["Return true for a deadline that is due.", "Number of events so far."])
def test_statements_are_none(text):
    assert fault_of(text) is None


def test_docstrings_of_attributes_and_methods_are_read():
    source = 'A = 1\n"""One."""\nclass B:\n    c = 2\n    """Two."""\n    def d():\n        "Three."\n'
    assert [text for _, text in docstrings(source)] == ["One.", "Two.", "Three."]
