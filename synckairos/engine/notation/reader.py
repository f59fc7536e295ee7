"""Reading of a text part by part, which remembers the furthest place that no form could read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from synckairos.engine.notation.errors import NotationError

_BLANKS = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+)*")

_DIGITS = tuple("0123456789")
_SEPARATORS = ":="
_MAX_SHOWN = 20
_MAX_NAMED = 12
"""Largest number of expectations that an error names. There are more only after the time that a control begins with."""

_ENDS = ('":"', "the end")
SECONDS, COUNT = "a number of seconds", "a whole number"


class Token(NamedTuple):
    """A number, a word or another character of the text, and its offset; an empty text stands for the end."""

    text: str
    at: int


class Reader:
    """Reads one control or stage, from `start` to a separator or the end of the text."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.start = self.skip(start)
        self._furthest = self.start
        self._expected: dict[str, None] = {}
        self._tokens: dict[int, Token] = {}

    def skip(self, at: int) -> int:
        """Return the offset of the first character from `at` on that is no blank."""
        blanks = _BLANKS.match(self.text, at)
        return blanks.end() if blanks else at

    def number(self, at: int, expected: str) -> Token | None:
        """Return the number at this offset, or None."""
        token = self._token(at)
        if token.text[:1] in _DIGITS:
            return token
        self._fail(token.at, expected)
        return None

    def literal(self, at: int, literal: str) -> Token | None:
        """Return the word or the symbol at this offset, or None. Upper case, `-` and `_` in a word do not matter."""
        token = self._token(at)
        if _plain(token.text) == _plain(literal):
            return token
        self._fail(token.at, f'"{literal}"')
        return None

    def ends_at(self, at: int) -> bool:
        """Return true if the control or the stage is over at this offset."""
        at = self.skip(at)
        if at == len(self.text) or self.text[at] in _SEPARATORS:
            return True
        for expected in _ENDS:
            self._fail(at, expected)
        return False

    def error(self) -> NotationError:
        """Return the error of a text that no form could read."""
        return NotationError(f"expected {self._wanted()}; found {shown(self.text, self._furthest)}", self._furthest)

    def _wanted(self) -> str:
        if self._furthest == self.start:
            return "a time control in seconds, such as 300+2"
        if len(self._expected) > _MAX_NAMED:
            return "the end, or what is given with the time before it, such as +2, B5 or 5x30 byo-yomi"
        names = [name for name in self._expected if not (name == COUNT and SECONDS in self._expected)]
        *others, last = sorted(names, key=_ENDS.__contains__)
        return f"{', '.join(others)} or {last}" if others else last

    def _token(self, at: int) -> Token:
        """Return the number, the word or the character at this offset, behind blanks; many forms ask for the same."""
        token = self._tokens.get(at)
        if token is None:
            start = self.skip(at)
            token = self._tokens[at] = Token(token_at(self.text, start), start)
        return token

    def _fail(self, at: int, expected: str) -> None:
        if at > self._furthest:
            self._furthest, self._expected = at, {}
        if at == self._furthest:
            self._expected[expected] = None


def token_at(text: str, at: int) -> str:
    """Return the number, the word or else the single character at this offset; an empty string at the end."""
    found = _NUMBER.match(text, at) or _WORD.match(text, at)
    return found[0] if found else text[at : at + 1]


def shown(text: str, at: int) -> str:
    """Return what stands at this offset in a form that may be shown."""
    found = token_at(text, at)
    if not found:
        return "the end"
    if not found.isprintable():
        return f"the character U+{ord(found):04X}"
    return f'"{found}"' if len(found) <= _MAX_SHOWN else f'"{found[:_MAX_SHOWN]}…"'


@lru_cache(maxsize=256)
def _plain(word: str) -> str:
    return word if len(word) == 1 and not word.isalpha() else word.lower().replace("-", "").replace("_", "")
