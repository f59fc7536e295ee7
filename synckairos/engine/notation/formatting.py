"""Writing of time controls as text, each in one form."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import asdict

from synckairos.engine.controls import TimeControl
from synckairos.engine.controls.stages import Stage, Stages, Until
from synckairos.engine.notation.forms import AFTER_STAGE, BEFORE_STAGE, FORMS, FRESH, MAIN, TIMED, TURNS
from synckairos.engine.notation.numerals import defaults
from synckairos.engine.notation.parts import Facts, write_all
from synckairos.engine.units import Duration


def format_control(control: TimeControl) -> str:
    """Return the text of a control, which `parse` reads as the same one.

    Raises `ValueError` for a control with problems, which has no text.
    """
    if control.problems():
        raise ValueError("A time control with problems has no notation.")
    if not isinstance(control, Stages):
        return _written(control, getattr(control, "main_time_ms", None))
    text = ":".join(_stage(stage) for stage in control.stages)
    # Of a single stage without turns one could not tell that it is a stage.
    return f"{text}:" if text == _plain(control.stages[0]) else text


def format_sides(controls: Iterable[TimeControl]) -> str:
    """Return the text of the controls of all sides, which `parse_sides` reads as the same ones.

    It reads no more than `MAX_SIDES` and `MAX_LENGTH` allow; longer texts are written all the same. Raises `ValueError`
    as `format_control` does.
    """
    return "=".join(format_control(control) for control in controls)


def _stage(stage: Stage) -> str:
    told = {TURNS: stage.turns is not None, TIMED: stage.until is Until.TIME, FRESH: not stage.carries_over}
    facts = Facts({TURNS: stage.turns}, frozenset(name for name, is_told in told.items() if is_told))
    turns = write_all(BEFORE_STAGE, facts) if stage.turns is not None else ""
    return turns + _plain(stage) + write_all(AFTER_STAGE, facts)


def _plain(stage: Stage) -> str:
    """Return the text of a stage as if it were the only control."""
    return _written(stage.control, None if stage.control.main_ms == stage.time_ms else stage.time_ms)


def _written(control: TimeControl, main_ms: Duration | None) -> str:
    values = {**asdict(control), MAIN: main_ms}
    told = frozenset(name for name, usual in defaults(type(control)).items() if values[name] != usual)
    has_main = main_ms is not None
    form = next(form for form in FORMS if form.control is type(control) and form.has_main == has_main)
    return write_all(form.parts, Facts(values, told)).strip()
