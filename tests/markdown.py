"""The documents as the tests read them: sections, tables, code, links."""

from __future__ import annotations

import re
from pathlib import Path

from tests.servers import ROOT

PLACES = (".", "docs", "deploy", "clients/python")
DOCUMENTS = sorted(path for place in PLACES for path in (ROOT / place).glob("*.md"))
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    """A document, by its path from the root."""
    return (ROOT / name).read_text()


def section(name: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level."""
    text = text_of(name)
    found = next(match for match in _HEADING.finditer(text) if match[2] == heading)
    ends = (match.start() for match in _HEADING.finditer(text, found.end()) if len(match[1]) <= len(found[1]))
    return text[found.end() : next(ends, len(text))]


def rows(text: str) -> list[list[str]]:
    """The cells of every table, without heads: a table's second line is the rule below its head."""
    found = []
    lines = text.splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|") and above.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            found.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def codes(text: str) -> list[str]:
    """What stands between backticks within lines."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))


def blocks(text: str, language: str | None = None) -> list[str]:
    """Blocks of code, in one language or in any."""
    return [match[2] for match in _FENCE.finditer(text) if language in {None, match[1]}]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    text = _FENCE.sub("", path.read_text())
    return {
        re.sub(r"[^\w\- ]", "", match[2].replace("`", "")).lower().replace(" ", "-")
        for match in _HEADING.finditer(text)
    }


def links(path: Path) -> list[str]:
    """Where a document's links lead."""
    return re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", path.read_text()))
