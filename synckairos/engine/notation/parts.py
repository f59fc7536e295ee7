"""The parts that a form consists of. Each one can be read and written, so that both directions follow one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from synckairos.engine.notation.numerals import expectation, numeral
from synckairos.engine.notation.reader import Reader, Token

Found: TypeAlias = dict[str, Token]
"""The numbers and the words that were read, by the names of their fields."""


class Facts(NamedTuple):
    """The fields to write: their values, and the names of those that differ from their defaults."""

    values: Mapping[str, object]
    told: frozenset[str]


class Part(Protocol):
    """A part of a form."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields that the part holds."""

    def read(self, reader: Reader, at: int, found: Found) -> int | None:
        """Return the offset behind the part, having added its fields to `found`; None if the part is not there."""

    def write(self, facts: Facts) -> str:
        """Return the text of the part."""


class Literal(NamedTuple):
    """A word or a symbol; `text` may begin with a blank, which is written and need not be there to be read."""

    text: str
    fields: tuple[str, ...] = ()

    def read(self, reader: Reader, at: int, found: Found) -> int | None:
        token = reader.literal(at, self.text.strip())
        return None if token is None else token.at + len(token.text)

    def write(self, facts: Facts) -> str:
        return self.text


class Number(NamedTuple):
    """The value of a field, in seconds if it is a duration."""

    field: str
    before: str = ""
    """Written before the number: a blank or nothing."""

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def read(self, reader: Reader, at: int, found: Found) -> int | None:
        token = reader.number(at, expectation(self.field))
        if token is None:
            return None
        found[self.field] = token
        return token.at + len(token.text)

    def write(self, facts: Facts) -> str:
        return self.before + numeral(self.field, facts.values[self.field])


class Flag(NamedTuple):
    """A word that is there when its field differs from its default."""

    word: str
    field: str

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def read(self, reader: Reader, at: int, found: Found) -> int | None:
        token = reader.literal(at, self.word)
        if token is None:
            return at
        found[self.field] = token
        return token.at + len(token.text)

    def write(self, facts: Facts) -> str:
        return f" {self.word}" if self.field in facts.told else ""


class Option(NamedTuple):
    """Parts that are there when one of their fields differs from its default."""

    parts: tuple[Part, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(field for part in self.parts for field in part.fields)

    def read(self, reader: Reader, at: int, found: Found) -> int | None:
        added: Found = {}
        end = read_all(self.parts, reader, at, added)
        if end is None:
            return at
        found |= added
        return end

    def write(self, facts: Facts) -> str:
        return write_all(self.parts, facts) if facts.told.intersection(self.fields) else ""


def read_all(parts: Iterable[Part], reader: Reader, at: int, found: Found) -> int | None:
    """Return the offset behind all parts, having added their fields to `found`; None if one of them is not there."""
    for part in parts:
        end = part.read(reader, at, found)
        if end is None:
            return None
        at = end
    return at


def write_all(parts: Iterable[Part], facts: Facts) -> str:
    """Return the text of all parts."""
    return "".join(part.write(facts) for part in parts)
