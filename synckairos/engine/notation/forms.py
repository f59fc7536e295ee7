"""The table of forms, from which controls are read and written (docs/clock.md)."""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec.structs import fields

from synckairos.engine.controls.base import TimeControl
from synckairos.engine.controls.bronstein import Bronstein
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.table import TABLE
from synckairos.engine.controls.time_bank import TimeBank
from synckairos.engine.notation.parts import Flag, Literal, Number, Option, Part

MAIN = "main_ms"
"""Stands for the main time of a control, or the time of a stage."""

ROWS: tuple[tuple[type[TimeControl], str], ...] = (
    (SuddenDeath, "{main_ms}"),
    (SuddenDeath, "SD"),
    (Fischer, "{main_ms?}+{increment_ms}[ cap {cap_ms}]{increment_before_first_turn:first}"),
    (Fischer, "{main_ms?} {increment_ms} Fischer"),
    (Fischer, "{main_ms}+{increment_ms} Fischer"),
    (Delay, "{main_ms?}+{delay_ms}d"),
    (Delay, "{main_ms?}S{delay_ms}"),
    (Delay, "{main_ms?}d{delay_ms}"),
    (Bronstein, "{main_ms?}B{delay_ms}"),
    (Hourglass, "*{main_ms}"),
    (Hourglass, "*"),
    (ByoYomi, "{main_ms?}[+{increment_ms}] {periods}x{period_ms} byo-yomi"),
    (ByoYomi, "{main_ms}+{periods}x{period_ms} byo-yomi"),
    (Canadian, "{main_ms?} {turns}/{period_ms} Canadian"),
    (Canadian, "{main_ms}+{turns}/{period_ms} Canadian"),
    (TimeBank, "{main_ms?} allowance {allowance_ms}"),
    (Overtime, "{main_ms?} overtime {max_overtime_ms}[ -{points_per_period}/{penalty_period_ms}]"),
    (PerTurn, "{main_ms?} {time_ms} per turn"),
    (PerTurn, "{main_ms?} {time_ms} per-turn"),
)
"""Control and form; the first row of a control, with or without main time, is the one that is written.

`{field}` is a number, `[…]` is there when one of its fields differs from its default, and so is the word in
`{field:word}`. With a `?` the main time may be missing. A control without a row has a form of its type and its fields.
"""

_TOKEN = re.compile(
    r"(?P<blank> *)(?:\{(?P<field>\w+)(?P<optional>\?)?(?::(?P<word>[\w-]+))?\}|(?P<literal>[A-Za-z-]{2,}|.))"
)


class Form(NamedTuple):
    """A form of one control, either with a main time or without."""

    control: type[TimeControl]
    parts: tuple[Part, ...]

    @property
    def has_main(self) -> bool:
        """True if the main time is a part of the form."""
        return any(MAIN in part.fields for part in self.parts)


def parts_of(template: str) -> tuple[Part, ...]:
    """Return the parts that a template stands for."""
    before, bracket, rest = template.partition("[")
    found = [_part(token) for token in _TOKEN.finditer(before)]
    if not bracket:
        return tuple(found)
    inner, _, after = rest.partition("]")
    return (*found, Option(parts_of(inner)), *parts_of(after))


def forms_of(control: type[TimeControl], template: str) -> list[Form]:
    """Return the forms of a row."""
    optional = f"{{{MAIN}?}}"
    texts = [template.replace(optional, f"{{{MAIN}}}"), template.replace(optional, "")]
    return [Form(control, parts_of(text)) for text in dict.fromkeys(texts)]


def derived_template(control: type[TimeControl]) -> str:
    """Return the form of a control that has no row: its type, then each field with its name, without its unit."""
    text = f"{{{MAIN}?}} {str(control.__struct_config__.tag).replace('_', '-')}"
    for field in fields(control):
        word = field.name.removesuffix("_ms").replace("_", "-")
        if field.type is bool:
            text += f"{{{field.name}:{'no-' if field.default else ''}{word}}}"
        elif field.name != "main_time_ms":
            pair = f" {word} {{{field.name}}}"
            text += pair if field.required else f"[{pair}]"
    return text


def _part(token: re.Match[str]) -> Part:
    blank, field, word = token["blank"], token["field"], token["word"]
    if word:
        return Flag(word, field)
    return Number(field, blank) if field else Literal(blank + token["literal"])


TURNS, TIMED, FRESH = "stage_turns", "stage_timed", "stage_fresh"
"""Stand for the fields of a stage: its turns, the end by its time, and that nothing is carried over."""
BEFORE_STAGE = parts_of(f"{{{TURNS}}}/")
AFTER_STAGE = parts_of(f"{{{TIMED}:timed}}{{{FRESH}:fresh}}")

_HAVE_ROWS = {control for control, _ in ROWS}
_ALL_ROWS = (*ROWS, *((control, derived_template(control)) for control in TABLE if control not in _HAVE_ROWS))

FORMS = tuple(form for control, template in _ALL_ROWS for form in forms_of(control, template))
