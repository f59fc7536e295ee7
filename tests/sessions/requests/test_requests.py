"""Request bodies: the conversion by msgspec and the slow path that names every problem accept the same values."""

from __future__ import annotations

from typing import Any, get_args
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.commands import COMMAND_BY_VERB, COMMANDS
from sessions.frames import COMMAND_BY_FRAME
from sessions.requests import bodies, reading
from synckairos.engine.commands import Command
from synckairos.engine.controls import CONTROLS
from synckairos.errors import ValidationFailed

BODIES = [kind for kind in vars(bodies).values() if isinstance(kind, type) and kind.__module__ == bodies.__name__]
IDS = [str(uuid4()) for _ in range(3)]
VALUES = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1, 1.0, 1.5, 1_000, 1_000.0, 60_001, 86_400_001, 2**53, 2**53 + 1, 10**30, 1e300),
        *("", " ", "x", "ä", "A\u0308", " a", "timekeeper", "x" * 501, "x" * 513, "participant", "owner", "pause"),
        *("2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "1950-01-01T00:00:00Z", "2400-01-01T00:00:00Z"),
        *(IDS[0], IDS[0].upper(), IDS[0].replace("-", ""), f"{{{IDS[0]}}}"),
        *("300", "300+2", "300=600", "40/5400+30:1800+30", {"type": "fischer", "increment_ms": 2_000}, {"type": "go"}),
        *({"type": "hourglass", "main_time_ms": 1e3}, {"type": "stages", "stages": [{"time_ms": 1, "turns": None}]}),
        *("global", "count_up", "per_participant", "public", {"type": "notify"}, {"type": [1]}, {"a": "x" * 5_000}),
        *(
            [],
            {},
            [{}],
            [None],
            [1, 2],
            [*IDS],
            ["pause"],
            ["start"],
            [{"participant_id": IDS[0], "total_time_ms": 1_000}],
            [{"participant_id": IDS[0], "time_control": "60"}],
        ),
    ]
)


def slowly(data: Any, kind: type) -> Any:
    """Return the body that the slow path makes of the data, or the problems that it finds."""
    try:
        return reading._read_slowly(data, kind)
    except ValidationFailed as failed:
        return failed.details


def has_whole_floats(item: Any) -> bool:
    """Return true for data with integers written as floats, which only the slow path accepts."""
    if isinstance(item, list | dict):
        return any(map(has_whole_floats, item.values() if isinstance(item, dict) else item))
    return isinstance(item, float) and item.is_integer()


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
@settings(max_examples=60)
@given(data=st.data())
def test_the_slow_path_accepts_exactly_what_the_conversion_accepts(kind, data):
    names = [*kind.__struct_fields__, "unknown"]
    body = data.draw(st.dictionaries(st.sampled_from(names), VALUES))
    result = slowly(body, kind)
    try:
        converted = reading.convert(body, kind)
    except msgspec.ValidationError:
        assert isinstance(result, list) or has_whole_floats(body)
    else:
        assert result == converted if not converted.problems() else isinstance(result, list)


def controls_or_nearly():
    """Return objects of the field `time_control` in which some values are wrong."""
    numbers = st.sampled_from([0, 1, 2, 1_000, 60_000.0, 10**9, -1, 1.5, True, None, "1", []])
    names = {field for kind in CONTROLS for field in kind.__struct_fields__} - {"stages"}
    types = st.sampled_from([*(kind.__struct_config__.tag for kind in CONTROLS), "go", None, []])
    plain = st.fixed_dictionaries({}, optional={"type": types, **dict.fromkeys([*names, "unknown"], numbers)})
    stage = st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(["time_ms", "turns", "carries_over", "unknown"], numbers),
            "until": st.sampled_from(["turns", "time", "now", None]),
            "control": plain | numbers,
        },
    )
    return plain | st.fixed_dictionaries(
        {"type": st.just("stages")}, optional={"stages": st.lists(stage | numbers, max_size=9) | numbers}
    )


@settings(max_examples=300)
@given(control=controls_or_nearly())
def test_both_accept_the_same_time_controls(control):
    body = {"sync_mode": "per_participant", "time_control": control}
    result = slowly(body, bodies.CreateSessionRequest)
    named = {one["field"] for one in result} if isinstance(result, list) else set()
    try:
        reading.convert(body, bodies.CreateSessionRequest)
    except msgspec.ValidationError:
        assert has_whole_floats(body) or any(field.startswith("time_control.") for field in named)
    else:
        assert "participants" in named  # which the body does not have


def test_every_command_of_the_engine_is_in_the_table_once():
    assert sorted(row.kind.__name__ for row in COMMANDS) == sorted(kind.__name__ for kind in get_args(Command))
    assert [row.verb for row in COMMAND_BY_FRAME.values()] == list(COMMAND_BY_VERB)


@pytest.mark.parametrize("verb", COMMAND_BY_VERB)
def test_a_command_takes_the_fields_of_its_body_in_their_order(verb):
    row = COMMAND_BY_VERB[verb]
    fields = row.body.__struct_fields__
    assert row.kind.__struct_fields__[: len(fields)] == fields
    (frame,) = [frame for frame, of in COMMAND_BY_FRAME.items() if of is row]
    assert frame.__struct_fields__ == ("id", *fields)
