"""Depth and number of values of a text are checked before it is decoded, and quickly even in the worst case."""

from __future__ import annotations

import json
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synckairos.http import json_bounds
from synckairos.http.json_bounds import MAX_DEPTH, MAX_VALUES, may_have_too_many_values, size_error

TOO_DEEP = f"At most {MAX_DEPTH} levels of nesting."
TOO_MANY = f"At most {MAX_VALUES} values in all: send fewer items, or several requests."


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"\\"]}":'])
def test_one_level_more_than_allowed_is_too_deep(opening):
    signs = opening.replace(b'"\\"]}"', b"").count(b"[") + opening.count(b"{")
    for depth in (MAX_DEPTH // signs, MAX_DEPTH // signs + 1):
        assert (size_error(opening * depth) == TOO_DEEP) == (depth * signs > MAX_DEPTH)


def test_siblings_do_not_add_depth():
    assert size_error(b"[" + b",".join([b"[{}]"] * 1000) + b"]") is None


def test_signs_in_strings_do_not_count():
    strings = {"a": "[{" * 500, 'b"[[': '\\"' + "[" * 500, "c\\": "," * MAX_VALUES, "\\\\": "[{,\\\\" * MAX_VALUES}
    text = json.dumps(strings).encode()
    assert size_error(text) is None
    assert may_have_too_many_values(text)  # the look that takes no time sends it where there is time


@settings(max_examples=40)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_ordinary_body_is_too_much(data):
    assert size_error(json.dumps(data, ensure_ascii=False).encode()) is None


@pytest.mark.parametrize("item", [b"0", b"{}", b"[0]", b'"a"', b'"\\""', b'{"a":1}', b"1e308", b'"\\\\"'])
def test_one_value_more_than_allowed_is_too_many(item):
    each = 1 + item.count(b"{") + item.count(b"[")
    for number, is_too_many in ((MAX_VALUES // each - 1, False), (MAX_VALUES // each + 1, True)):
        text = b"[" + b",".join([item] * number) + b"]"
        assert size_error(text) == (TOO_MANY if is_too_many else None)
        assert may_have_too_many_values(text) == is_too_many


def test_a_backslash_that_is_in_no_string_hides_nothing_that_would_be_decoded():
    items = b"[" + b"{}," * MAX_VALUES
    assert size_error(items + b'\\"' + items) == TOO_MANY
    assert size_error(b'["\\\\",' + items) == TOO_MANY


@pytest.mark.timeout(100)  # milliseconds if it looks at each sign once; hours if it begins anew at each
@pytest.mark.parametrize("piece", [b'\\"', b"\\", b'"', b'"[', b"[]", b"[", b'"",', b"[],", b'",'])
def test_the_largest_body_of_any_kind_is_judged_in_no_time(piece):
    text = b"[" * 200 + b'"' + piece * (256 * 1024 // len(piece))
    size_error(b'"' + text)
    size_error(text)


def test_brackets_are_paired():
    assert size_error(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is None
    assert size_error(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)) == TOO_DEEP
    assert size_error(b"[{}," + b'[{"a":' * 65 + b"1" + b"}]" * 65 + b"]") == TOO_DEEP


def test_brackets_side_by_side_are_taken_away_all_at_once_and_not_one_by_one():
    class Counted(bytes):
        """Bytes that allow a limited number of scans."""

        looks = 0

        def replace(self, *signs):
            Counted.looks += 1
            return Counted(super().replace(*signs))

        def translate(self, *tables):
            return Counted(super().translate(*tables))

    assert not json_bounds._is_too_deep(Counted(b"[" + b"[]," * 8_000 + b"[]]"))
    assert Counted.looks == 3


@pytest.mark.parametrize("number", ["1e308", "-1.5E-300", "0.1", "5e-324", "1.7976931348623157e308", "1E5", "-0.0"])
def test_a_float_is_read_as_python_reads_it(number):
    assert json_bounds.decode(f"[{number}]") == [float(number)]


def test_floats_are_read_by_python_whose_slowest_are_no_slower_than_others():
    with patch("synckairos.http.json_bounds.math.isinf", return_value=False) as asked:
        json_bounds.decode(b"[1e308,2.5,1e-308,7]")
    assert asked.call_count == 3


@pytest.mark.parametrize("number", ["1e309", "-1e400", "1e" + "9" * 1000])
def test_a_number_beyond_the_range_of_floats_is_refused(number):
    with pytest.raises(msgspec.DecodeError):
        json_bounds.decode(number)
