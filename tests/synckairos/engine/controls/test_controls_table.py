"""The table of time controls: what holds for each of its rows."""

import json
from pathlib import Path

import msgspec
import pytest

from synckairos.engine.controls import CONTROLS, Control
from synckairos.engine.controls.base import TimeControl

HERE = Path(__file__).parent
KINDS = pytest.mark.parametrize("kind", CONTROLS, ids=lambda kind: kind.__struct_config__.tag)
STAGE = {"time_ms": 5_000, "control": {"type": "byo_yomi", "periods": 1, "period_ms": 5_000}}


def least(kind):
    """The least object of a control: the fields that it must have, each with a small value."""
    required = {field.name: 1_000 for field in msgspec.structs.fields(kind) if field.required}
    return {"type": kind.__struct_config__.tag} | required | ({"stages": [STAGE]} if "stages" in required else {})


@KINDS
def test_every_control_has_a_file_of_tests(kind):
    assert (HERE / f"test_control_{kind.__struct_config__.tag}.py").exists()


@KINDS
def test_every_control_is_its_object_in_json_and_in_the_store(kind):
    control = msgspec.convert(least(kind), Control)
    assert type(control) is kind
    for coder in (msgspec.json, msgspec.msgpack):
        assert coder.decode(coder.encode(control), type=Control) == control
    assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(control))), Control) == control


@KINDS
def test_every_control_refuses_fields_that_it_does_not_have(kind):
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.convert(least(kind) | {"colour": 1}, Control)


@KINDS
def test_every_number_of_a_control_has_bounds(kind):
    numbers = [name for name, value in least(kind).items() if isinstance(value, int)]
    for name in numbers:
        for value in (-1, 0, 86_400_001):
            with pytest.raises(msgspec.ValidationError, match=rf"\.{name}`"):
                msgspec.convert(least(kind) | {name: value}, Control)


@KINDS
@pytest.mark.parametrize("main_ms", [0, 1, 60_000])
def test_a_clock_ends_at_last_and_never_has_less_than_nothing(kind, main_ms):
    control = msgspec.convert(least(kind), Control)
    bank, phases = control.initial(main_ms), 0
    while bank is not None:
        assert bank.left_ms >= 0
        renewed = control.renewed(bank)
        assert renewed.left_ms + renewed.progress.reserve_ms >= bank.left_ms + bank.progress.reserve_ms
        assert control.lead_in_ms(bank.progress) >= 0
        phases += 1
        assert phases < 2_000
        bank = control.after_end(bank.progress)


@KINDS
def test_a_control_without_phases_says_so(kind):
    control = msgspec.convert(least(kind), Control)
    assert kind.has_phases or control.after_end(control.initial(1_000).progress) is None


@KINDS
def test_a_control_that_rewards_no_turns_gives_nothing_at_their_end(kind):
    control = msgspec.convert(least(kind), Control)
    bank = control.initial(60_000)
    after = control.renewed(control.earned(bank, 1_000))
    assert kind.rewards_turns or after == bank


def test_an_unknown_control_is_refused():
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'chess'"):
        msgspec.convert({"type": "chess"}, Control)


def test_stages_hold_no_stages():
    with pytest.raises(msgspec.ValidationError, match=r"control\.type"):
        msgspec.convert({"type": "stages", "stages": [{"time_ms": 5, "control": {"type": "stages"}}]}, Control)


def test_the_defaults_of_the_interface_are_those_of_sudden_death():
    class Plain(TimeControl, frozen=True, kw_only=True, tag="plain"):
        pass

    control, bank = Plain(), Plain().initial(5_000)
    assert (bank.left_ms, control.main_ms, control.after_end(bank.progress), control.problems()) == (
        5_000,
        None,
        None,
        [],
    )
    assert control.renewed(control.earned(bank, 1)) == bank
    assert (control.lead_in_ms(bank.progress), control.penalty_points(bank), control.expected_ms(7)) == (0, 0, 7)
    assert not control.renews_after_expiry(bank.progress)
