"""Reading of time controls from text."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from synckairos.engine.controls import TimeControl
from synckairos.engine.controls.stages import MAX_STAGES, Stage, Stages, Until
from synckairos.engine.notation.errors import NotationError
from synckairos.engine.notation.forms import AFTER_STAGE, BEFORE_STAGE, FORMS, FRESH, MAIN, TIMED, TURNS, Form
from synckairos.engine.notation.numerals import defaults, limits, value
from synckairos.engine.notation.parts import Found, read_all
from synckairos.engine.notation.reader import Reader

MAX_LENGTH = 1_000
"""Largest number of characters that are read: two sides, each with the longest control that can be written."""
MAX_SIDES = 8

_NO_CLOCK = {
    "-": '"-" is no time control: leave time_control out for a session without one',
    "?": '"?" is an unknown time control: leave time_control out, or say which it is',
}


class _Segment(NamedTuple):
    """The text of one control, or of one stage."""

    form: Form
    found: Found
    start: int
    body: int
    """Offset of what follows the turns of a stage."""
    end: int

    @property
    def is_stage(self) -> bool:
        """True if the text can only be that of a stage."""
        return not {TURNS, TIMED, FRESH}.isdisjoint(self.found)


def parse(text: str) -> TimeControl:
    """Return the control of the text. Raises `NotationError`."""
    _check_length(text)
    control, end = _control(text, 0)
    if end < len(text):
        raise NotationError('expected the end; "=" separates the controls of sides, which are not possible here', end)
    return control


def parse_sides(text: str) -> tuple[TimeControl, ...]:
    """Return the controls of the sides, by index of the participants; one for all if there is no `=`.

    Raises `NotationError`.
    """
    _check_length(text)
    control, end = _control(text, 0)
    controls = [control]
    while end < len(text):
        if len(controls) == MAX_SIDES:
            raise NotationError(f"expected at most {MAX_SIDES} sides", end)
        control, end = _control(text, end + 1)
        controls.append(control)
    return tuple(controls)


def _check_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise NotationError(f"expected at most {MAX_LENGTH} characters", MAX_LENGTH)


def _control(text: str, start: int) -> tuple[TimeControl, int]:
    """Return the control that begins at this offset, and the offset of the `=` or the end that follows it."""
    segments = [_segment(text, start)]
    while text.startswith(":", segments[-1].end):
        following = Reader(text, segments[-1].end + 1).start
        if len(segments) == 1 and not segments[0].is_stage and text[following : following + 1] in ("", "="):
            return _stages(segments), following
        if len(segments) == MAX_STAGES:
            raise NotationError(f"expected at most {MAX_STAGES} stages", segments[-1].end)
        segments.append(_segment(text, following))
    single = len(segments) == 1 and not segments[0].is_stage
    return _single(segments[0]) if single else _stages(segments), segments[-1].end


def _segment(text: str, start: int) -> _Segment:
    reader = Reader(text, start)
    starts: list[tuple[int, Found]] = [(reader.start, {})]
    with_turns: Found = {}
    body = read_all(BEFORE_STAGE, reader, reader.start, with_turns)
    if body is not None:
        starts.append((reader.skip(body), with_turns))
    for form, (body, before) in product(FORMS, starts):
        found = dict(before)
        end = read_all(form.parts, reader, body, found)
        end = None if end is None else read_all(AFTER_STAGE, reader, end, found)
        if end is not None and reader.ends_at(end):
            return _Segment(form, found, reader.start, body, reader.skip(end))
    error = reader.error()
    symbol = text[reader.start : reader.start + 1]
    if symbol in _NO_CLOCK and reader.ends_at(reader.start + 1):
        raise NotationError(_NO_CLOCK[symbol], reader.start)
    raise error


def _single(segment: _Segment) -> TimeControl:
    """Return the control of a text without stages."""
    allowed = limits(segment.form.control)
    main = segment.found.get(MAIN)
    values: dict[str, Any] = {}
    if main is not None:
        if "main_time_ms" not in allowed:
            raise NotationError("this control has no main time, unless it is that of a stage", main.at)
        values["main_time_ms"] = value(MAIN, main, allowed["main_time_ms"])
    control = _with_fields(segment, values)
    for field, message in control.problems():
        raise NotationError(_problem(field, message), segment.start)
    return control


def _stages(segments: list[_Segment]) -> TimeControl:
    control = Stages(stages=tuple(_stage(segment) for segment in segments))
    for name, message in control.problems():
        # The name is that of a field of a stage, as in stages.0.turns.
        _, position, field = name.split(".", 2)
        problem = f"stage {int(position) + 1}, {_problem(field, message)}"
        raise NotationError(problem, segments[int(position)].start)
    return control


def _problem(field: str, message: str) -> str:
    return f"{field}: {message[0].lower()}{message[1:].rstrip('.')}"


def _stage(segment: _Segment) -> Stage:
    allowed, found = limits(Stage), segment.found
    turns = value(TURNS, found[TURNS], allowed["turns"]) if TURNS in found else None
    time_ms = value(MAIN, found[MAIN], allowed["time_ms"]) if MAIN in found else None
    control = _with_fields(segment, {})
    time_ms = control.main_ms if time_ms is None else time_ms
    if time_ms is None:
        raise NotationError("expected the time of the stage in seconds, then what is given with it", segment.body)
    return Stage(
        time_ms=time_ms,
        turns=turns,
        control=control,
        carries_over=FRESH not in found,
        until=Until.TIME if TIMED in found else Until.TURNS,
    )


def _with_fields(segment: _Segment, values: dict[str, Any]) -> TimeControl:
    """Return the control with the fields of the text besides its main time."""
    kind = segment.form.control
    allowed, usual = limits(kind), defaults(kind)
    for name, token in segment.found.items():
        if name in allowed:
            values[name] = value(name, token, allowed[name])
        elif name in usual:
            values[name] = not usual[name]
    return kind(**values)
