"""How deep a text nests is known before it is decoded, and quickly for the worst of texts."""

from __future__ import annotations

import json
from unittest.mock import call, patch

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


def test_a_body_of_brackets_side_by_side_is_not_looked_at_bracket_by_bracket():
    """Each look is a search; of a hundred thousand brackets it made a quarter of a second."""
    body = b"[" + b"[]," * 85_000 + b"[]]"
    with patch("synckairos.http.nesting._STRING") as strings:
        strings.sub.return_value = body
        assert not is_too_deep(body)
    assert strings.method_calls == [call.sub(b"", body)]
    assert not is_too_deep(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert is_too_deep(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert is_too_deep(b"[{}," + b'[{"a":' * 65 + b"1" + b"}]" * 65 + b"]")
