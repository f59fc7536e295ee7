"""The notation of time controls: what is read, what is written, and where a text is wrong."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.inspect import BoolType, IntType, NoneType, UnionType, type_info

from synckairos.engine.controls.base import Bonus, MainTimeControl, Time, TimeControl
from synckairos.engine.controls.bronstein import Bronstein
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.stages import MAX_STAGES, Stage, Stages, Until
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.table import TABLE
from synckairos.engine.controls.time_bank import TimeBank
from synckairos.engine.notation import (
    MAX_LENGTH,
    MAX_SIDES,
    NotationError,
    format_control,
    format_sides,
    formatting,
    parse,
    parse_sides,
    parsing,
)
from synckairos.engine.notation.forms import FORMS, derived_template, forms_of


def fischer(main_s, increment_s, **fields):
    return Fischer(main_time_ms=main_s and main_s * 1_000, increment_ms=increment_s * 1_000, **fields)


def stages(*found):
    return Stages(stages=found)


FIVE_PERIODS = {"periods": 5, "period_ms": 30_000}
BLOCKS = {"turns": 15, "period_ms": 300_000}
INCREMENT = Fischer(increment_ms=30_000)

WRITTEN = {
    # PGN
    "300": SuddenDeath(main_time_ms=300_000),
    "0": SuddenDeath(main_time_ms=0),
    "300+2": fischer(300, 2),
    "0+2": fischer(0, 2),
    "*180": Hourglass(main_time_ms=180_000),
    "40/9000": stages(Stage(time_ms=9_000_000, turns=40)),
    "40/5400:1800": stages(Stage(time_ms=5_400_000, turns=40), Stage(time_ms=1_800_000)),
    "40/5400+30:1800+30": stages(
        Stage(time_ms=5_400_000, turns=40, control=INCREMENT), Stage(time_ms=1_800_000, control=INCREMENT)
    ),
    "40/7200:20/3600:15/900+30": stages(
        Stage(time_ms=7_200_000, turns=40),
        Stage(time_ms=3_600_000, turns=20),
        Stage(time_ms=900_000, turns=15, control=INCREMENT),
    ),
    # as chess programs write delays
    "300+5d": Delay(main_time_ms=300_000, delay_ms=5_000),
    "300B5": Bronstein(main_time_ms=300_000, delay_ms=5_000),
    # SGF
    "5x30 byo-yomi": ByoYomi(**FIVE_PERIODS),
    "1800 5x30 byo-yomi": ByoYomi(main_time_ms=1_800_000, **FIVE_PERIODS),
    "15/300 Canadian": Canadian(**BLOCKS),
    "1800 15/300 Canadian": Canadian(main_time_ms=1_800_000, **BLOCKS),
    # of our own
    "SD": SuddenDeath(),
    "+30": fischer(None, 30),
    "+5d": Delay(delay_ms=5_000),
    "B5": Bronstein(delay_ms=5_000),
    "*": Hourglass(),
    "300+2 cap 600": fischer(300, 2, cap_ms=600_000),
    "300+2 first": fischer(300, 2, increment_before_first_turn=True),
    "300+2 cap 600 first": fischer(300, 2, cap_ms=600_000, increment_before_first_turn=True),
    "1800+2 5x30 byo-yomi": ByoYomi(main_time_ms=1_800_000, increment_ms=2_000, **FIVE_PERIODS),
    "+2 5x30 byo-yomi": ByoYomi(increment_ms=2_000, **FIVE_PERIODS),
    "1800 allowance 15": TimeBank(main_time_ms=1_800_000, allowance_ms=15_000),
    "allowance 15": TimeBank(allowance_ms=15_000),
    "1500 overtime 600": Overtime(main_time_ms=1_500_000, max_overtime_ms=600_000),
    "overtime 600 -5/60": Overtime(max_overtime_ms=600_000, points_per_period=5),
    "1500 overtime 600 -10/30": Overtime(main_time_ms=1_500_000, max_overtime_ms=600_000, penalty_period_ms=30_000),
    "30 per turn": PerTurn(time_ms=30_000),
    # stages of our own
    "1800:": stages(Stage(time_ms=1_800_000)),
    "1800+30:": stages(Stage(time_ms=1_800_000, control=INCREMENT)),
    "1800 timed:600": stages(Stage(time_ms=1_800_000, until=Until.TIME), Stage(time_ms=600_000)),
    "40/5400:1800 fresh": stages(Stage(time_ms=5_400_000, turns=40), Stage(time_ms=1_800_000, carries_over=False)),
    "600 timed fresh": stages(Stage(time_ms=600_000, until=Until.TIME, carries_over=False)),
    "20/600+5 cap 900 first fresh:300 3x10 byo-yomi fresh": stages(
        Stage(
            time_ms=600_000,
            turns=20,
            control=fischer(None, 5, cap_ms=900_000, increment_before_first_turn=True),
            carries_over=False,
        ),
        Stage(time_ms=300_000, control=ByoYomi(periods=3, period_ms=10_000), carries_over=False),
    ),
    "40/5400:1800 15/300 Canadian": stages(
        Stage(time_ms=5_400_000, turns=40), Stage(time_ms=1_800_000, control=Canadian(**BLOCKS))
    ),
    "10/30 per turn:60 10 per turn": stages(
        Stage(time_ms=30_000, turns=10, control=PerTurn(time_ms=30_000)),
        Stage(time_ms=60_000, control=PerTurn(time_ms=10_000)),
    ),
    # durations
    "0.5+0.05": Fischer(main_time_ms=500, increment_ms=50),
    "86400+3600": Fischer(main_time_ms=86_400_000, increment_ms=3_600_000),
    "86399.999": SuddenDeath(main_time_ms=86_399_999),
}

ALSO_READ = {
    "300d5": "300+5d",
    "300S5": "300+5d",
    "S5": "+5d",
    "300+5D": "300+5d",
    "300b5": "300B5",
    "30 Fischer": "+30",
    "1800 30 fischer": "1800+30",
    "1800+30 Fischer": "1800+30",
    "1800+5x30 byo-yomi": "1800 5x30 byo-yomi",
    "5X30 BYOYOMI": "5x30 byo-yomi",
    "5x30 Byo_Yomi": "5x30 byo-yomi",
    "1800+15/300 canadian": "1800 15/300 Canadian",
    "30 per-turn": "30 per turn",
    "30 per_turn": "30 per turn",
    "sd": "SD",
    " \t300 + 2 \r\n": "300+2",
    "40 / 5400 : 1800": "40/5400:1800",
    "40/30 30 per turn": "40/30 per turn",
    "1500overtime600": "1500 overtime 600",
    "1500 overtime 600 -10/60": "1500 overtime 600",
    "0300.50+02.0": "300.5+2",
    "1800 : ": "1800:",
}

SIDES = {
    "300": (SuddenDeath(main_time_ms=300_000),),
    "300=600": (SuddenDeath(main_time_ms=300_000), SuddenDeath(main_time_ms=600_000)),
    "300+2=600": (fischer(300, 2), SuddenDeath(main_time_ms=600_000)),
    "300=300": (SuddenDeath(main_time_ms=300_000), SuddenDeath(main_time_ms=300_000)),
    "1800:=40/5400:1800=30 per turn": (
        stages(Stage(time_ms=1_800_000)),
        stages(Stage(time_ms=5_400_000, turns=40), Stage(time_ms=1_800_000)),
        PerTurn(time_ms=30_000),
    ),
}

WRONG = [
    # what the first wrong character is, and what was expected there
    ("", 0, "a time control"),
    ("   ", 3, "a time control"),
    ("-", 0, "leave time_control out"),
    (" - ", 1, "leave time_control out"),
    ("?", 0, "unknown"),
    ("-5", 0, "a time control"),
    ("blitz", 0, 'a time control in seconds, such as 300+2; found "blitz"'),
    ("G/60", 0, "seconds"),
    (
        "300!",
        3,
        'expected the end, or what is given with the time before it, such as +2, B5 or 5x30 byo-yomi; found "!"',
    ),
    ("300 minutes", 4, 'found "minutes"'),
    ("300+", 4, "expected a number of seconds; found the end"),
    ("300+-2", 4, "a number of seconds"),
    ("300+2,5", 5, 'expected "cap", "first", "timed", "fresh", "Fischer", "d", '),
    ("5x30 byo-yomi 2", 14, 'expected "timed", "fresh", ":" or the end; found "2"'),
    ("300+.5", 4, "a number of seconds"),
    ("300+2 cap", 9, "a number of seconds"),
    ("300+2 first first", 12, '"timed", "fresh", ":" or the end'),
    ("300+2 first cap 600", 12, '"timed"'),
    ("300+2\x00", 5, "U+0000"),
    ("\uff1300", 0, "a time control"),
    ("3 00", 4, "found the end"),
    ("5x30", 4, '"byo-yomi"'),
    ("5x30 byo-yomy", 5, 'expected "byo-yomi"; found "byo-yomy"'),
    ("300 per game", 8, 'expected "turn"'),
    ("1500 overtime 600 -10", 21, 'expected "/"'),
    ("1500 overtime 600 -!", 19, 'expected a whole number; found "!"'),
    ("40/5400:", 8, "a time control"),
    ("40/5400::1800", 8, "a time control"),
    ("1800::", 5, "a time control"),
    # numbers out of their limits, at the number
    ("86401", 0, "a number of seconds from 0 to 86400"),
    ("99999999999999999999", 0, "from 0 to 86400"),
    ("300+0", 4, "a number of seconds from 0.001 to 3600"),
    ("300+3600.001", 4, "from 0.001 to 3600"),
    ("300+2 cap 0", 10, "from 0.001 to 86400"),
    ("300S0", 4, "from 0.001 to 3600"),
    ("1800 0x30 byo-yomi", 5, "a whole number from 1 to 1000"),
    ("1001x30 byo-yomi", 0, "a whole number from 1 to 1000"),
    ("5.5x30 byo-yomi", 0, 'expected a whole number; found "5.5"'),
    ("0/9000", 0, "a whole number from 1 to 1000"),
    ("40/0", 3, "a number of seconds from 0.001 to 86400"),
    ("40/5400:0", 8, "from 0.001 to 86400"),
    ("0 per turn", 0, "from 0.001 to 86400"),
    ("0.0001", 5, "at most three decimals"),
    ("300+1.2345", 9, "at most three decimals"),
    ("1.2345+99999", 5, "at most three decimals"),
    # stages
    ("300:600", 0, "stage 1, turns: required"),
    ("40/300:600:900", 7, "stage 2, turns: required"),
    ("40/300 timed", 0, "stage 1, turns"),
    ("*180:", 0, "stage 1, control: an hourglass has no stages"),
    ("40/300:*180", 7, "stage 2, control"),
    ("1800 5x30 byo-yomi timed:600", 0, "stage 1, control"),
    ("40/300:+30", 7, "the time of the stage"),
    ("40/+30", 3, "the time of the stage"),
    ("40/300:SD", 7, "the time of the stage"),
    ("60 30 per turn", 0, "no main time"),
    (":".join(["1/60"] * 9), 39, "at most 8 stages"),
    # sides
    ("300=600", 3, "sides, which are not possible here"),
    ("300+2 =600", 6, "sides, which are not possible here"),
    ("=600", 0, "a time control"),
]

WRONG_SIDES = [
    ("300=", 4, "a time control"),
    ("300==600", 4, "a time control"),
    ("300=-", 4, "leave time_control out"),
    ("300=600+", 8, "a number of seconds"),
    ("300=86401", 4, "from 0 to 86400"),
    ("=".join(["60"] * 9), 23, "at most 8 sides"),
    ("1" * (MAX_LENGTH + 1), MAX_LENGTH, "at most 1000 characters"),
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_written_form_is_read_as_its_control(text):
    assert parse(text) == WRITTEN[text]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_control_is_written_in_its_form(text):
    assert format_control(WRITTEN[text]) == text


@pytest.mark.parametrize("text", ALSO_READ)
def test_other_forms_are_read_and_written_in_the_one_form(text):
    assert format_control(parse(text)) == ALSO_READ[text]


@pytest.mark.parametrize("text", SIDES)
def test_sides_are_read_by_index_and_written(text):
    assert parse_sides(text) == SIDES[text]
    assert format_sides(SIDES[text]) == text


@pytest.mark.parametrize(("text", "position", "words"), WRONG)
def test_a_wrong_text_says_what_was_expected_where(text, position, words):
    with pytest.raises(NotationError) as refused:
        parse(text)
    assert refused.value.position == position
    assert words in refused.value.message
    assert refused.value.message == str(refused.value)
    assert refused.value.message.startswith(f"Character {position + 1}: ")


@pytest.mark.parametrize(("text", "position", "words"), WRONG_SIDES, ids=lambda value: str(value)[:12])
def test_a_wrong_side_says_what_was_expected_where(text, position, words):
    with pytest.raises(NotationError) as refused:
        parse_sides(text)
    assert refused.value.position == position
    assert words in refused.value.message


@pytest.mark.parametrize("text", [text for text, _, _ in WRONG if "sides" not in _])
def test_what_is_wrong_for_all_is_wrong_for_a_side(text):
    with pytest.raises(NotationError) as alone:
        parse(text)
    with pytest.raises(NotationError) as beside:
        parse_sides(f"300={text}")
    assert beside.value.position == alone.value.position + 4


def test_a_control_with_problems_is_not_written():
    broken = stages(Stage(time_ms=300_000), Stage(time_ms=600_000))
    assert broken.problems()
    with pytest.raises(ValueError, match="problems"):
        format_control(broken)


@pytest.mark.parametrize("control", TABLE)
def test_a_control_of_the_table_is_written_with_all_its_fields(control):
    main = {"main_time_ms", "main_ms"}
    written = next(form for form in FORMS if form.control is control)
    fields = {field for part in written.parts for field in part.fields}
    assert fields - main == set(control.__struct_fields__) - main


def test_the_longest_texts_fit():
    longest = max((text for text in WRITTEN if text.startswith("20/")), key=len).split(":")[0]
    most = re.sub(r"\d+", "86399.999", longest.partition("/")[2]).replace("+86399.999", "+3599.999")
    control = parse(
        ":".join([f"1000/{most}"] * (MAX_STAGES - 1) + ["86399.999+3599.999 1000x86399.999 byo-yomi timed fresh"])
    )
    assert len(format_sides([control, control])) <= MAX_LENGTH
    assert parse_sides(format_sides([control, control])) == (control, control)


def test_no_message_repeats_a_long_text():
    with pytest.raises(NotationError) as refused:
        parse("a" * MAX_LENGTH)
    assert len(refused.value.message) < 120


class Cooldown(MainTimeControl, frozen=True, kw_only=True, tag="cool_down"):
    """A control of which the table of forms knows nothing."""

    rest_ms: Time
    largest_rest_ms: Bonus | None = None
    in_pauses: bool = False
    shown: bool = True


class Plain(TimeControl, frozen=True, kw_only=True, tag="plain"):
    """A control without main time of which the table of forms knows nothing."""

    rest_ms: Time


@pytest.mark.parametrize(
    ("control", "text"),
    [
        (Cooldown(rest_ms=5_000), "cool-down rest 5"),
        (Cooldown(main_time_ms=300_000, rest_ms=5_000), "300 cool-down rest 5"),
        (
            Cooldown(rest_ms=5_000, largest_rest_ms=9_000, in_pauses=True, shown=False),
            "cool-down rest 5 largest-rest 9 in-pauses no-shown",
        ),
        (Plain(rest_ms=5_000), "plain rest 5"),
    ],
)
def test_a_control_without_a_row_has_a_form_of_its_fields(monkeypatch, control, text):
    forms = (*FORMS, *(form for kind in (Cooldown, Plain) for form in forms_of(kind, derived_template(kind))))
    monkeypatch.setattr(formatting, "FORMS", forms)
    monkeypatch.setattr(parsing, "FORMS", forms)
    assert format_control(control) == text
    assert parse(text) == control


def values_of(kind):
    """Return a strategy for the values of a field, from its type."""
    if isinstance(kind, UnionType):
        return st.one_of([values_of(one) for one in kind.types])
    if isinstance(kind, IntType):
        edges = {kind.ge, kind.ge + 1, kind.le, min(kind.le, 60_000)}
        return st.one_of(st.sampled_from(sorted(edges)), st.integers(kind.ge, kind.le))
    return st.booleans() if isinstance(kind, BoolType) else st.none()


def controls_of(kind, *, in_stage=False):
    """Return a strategy for controls of a class, from the types of its fields."""
    known = (BoolType, IntType, NoneType, UnionType)
    fields = [field for field in type_info(kind).fields if not (in_stage and field.name == "main_time_ms")]
    assert all(isinstance(field.type, known) for field in fields)
    required = {field.name: values_of(field.type) for field in fields if field.required}
    optional = {field.name: values_of(field.type) for field in fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: kind(**values))


FLAT = st.one_of([controls_of(kind) for kind in TABLE])
STAGE = st.builds(
    Stage,
    time_ms=st.integers(1, 86_400_000),
    turns=st.none() | st.integers(1, 1_000),
    control=st.one_of([controls_of(kind, in_stage=True) for kind in TABLE]),
    carries_over=st.booleans(),
    until=st.sampled_from(Until),
)


def repaired(found):
    """Return stages without problems that are near the given ones."""
    kept = []
    for position, stage in enumerate(found):
        last = position == len(found) - 1
        control = stage.control
        if control.others_gain or (control.has_phases and not (last and stage.turns is None)):
            control = SuddenDeath()
        until = Until.TURNS if stage.turns is not None else stage.until if last else Until.TIME
        kept.append(
            Stage(
                time_ms=stage.time_ms, turns=stage.turns, control=control, carries_over=stage.carries_over, until=until
            )
        )
    return Stages(stages=tuple(kept))


STAGED = st.lists(STAGE, min_size=1, max_size=MAX_STAGES).map(repaired)
CONTROLS = FLAT | STAGED
WORDS = [*"0123456789+-*/:=xdSB?.! ", "40", "300", "byo-yomi", "Canadian", "Fischer", "cap", "first", "SD"]
WORDS += [
    "allowance",
    "overtime",
    "per",
    "turn",
    "timed",
    "fresh",
    "99999",
    "0.001",
    "5x30 byo-yomi",
    "300+2",
    "40/300:",
]
TEXTS = st.text() | st.lists(st.sampled_from(WORDS), max_size=12).map("".join)


@settings(max_examples=500)
@given(CONTROLS)
def test_what_is_written_is_read_as_the_same(control):
    assert control.problems() == []
    assert parse(format_control(control)) == control


@given(st.lists(CONTROLS, min_size=1, max_size=2) | st.lists(FLAT, min_size=1, max_size=MAX_SIDES))
def test_sides_that_are_written_are_read_as_the_same(controls):
    assert parse_sides(format_sides(controls)) == tuple(controls)


def outcome(read, text):
    """Return the controls of a text, or the error that it is refused with."""
    try:
        found = read(text)
    except NotationError as refused:
        return refused
    return found if isinstance(found, tuple) else (found,)


@settings(max_examples=500)
@given(TEXTS)
@example("1/" * 200)
@example("1" * 5_000)
@example("=" * MAX_LENGTH)
def test_any_text_is_a_control_without_problems_or_an_error_within_the_text(text):
    for read in (parse, parse_sides):
        found = outcome(read, text)
        if isinstance(found, NotationError):
            assert 0 <= found.position <= len(text)
            assert found.message.isprintable()
        else:
            assert [control.problems() for control in found] == [[]] * len(found)
            assert parse_sides(format_sides(found)) == found


@given(CONTROLS, st.data())
def test_a_wrong_character_is_found_where_it_stands(control, data):
    text = format_control(control)
    inside = re.compile(r"[\w.-]{2}")
    between = [at for at in range(len(text) + 1) if not inside.fullmatch(text[max(at - 1, 0) : at + 1])]
    at = data.draw(st.sampled_from(between))
    with pytest.raises(NotationError) as refused:
        parse(f"{text[:at]}!{text[at:]}")
    assert refused.value.position == at
