"""How deep a text nests is known before it is decoded, and quickly for the worst of texts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synckairos.http.nesting import MAX_DEPTH, is_too_deep


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"\\"]}":'])
def test_one_level_more_than_allowed_is_too_deep(opening):
    signs = opening.replace(b'"\\"]}"', b"").count(b"[") + opening.count(b"{")
    for depth in (MAX_DEPTH // signs, MAX_DEPTH // signs + 1):
        assert is_too_deep(opening * depth) == (depth * signs > MAX_DEPTH)


def test_what_is_side_by_side_is_not_deep():
    assert not is_too_deep(b"[" + b",".join([b"[{}]"] * 1000) + b"]")


def test_brackets_in_strings_do_not_count():
    assert not is_too_deep(json.dumps({"a": "[{" * 500, 'b"[[': '\\"' + "[" * 500}).encode())


@settings(max_examples=40)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_ordinary_body_is_too_deep(data):
    assert not is_too_deep(json.dumps(data, ensure_ascii=False).encode())


@pytest.mark.timeout(100)  # milliseconds if it looks at each sign once; hours if it begins anew at each
@pytest.mark.parametrize("piece", [b'\\"', b"\\", b'"', b'"[', b"[]", b"["])
def test_the_largest_body_of_any_kind_is_judged_in_no_time(piece):
    text = b"[" * 200 + b'"' + piece * (256 * 1024 // len(piece))
    is_too_deep(b'"' + text)
    is_too_deep(text)
