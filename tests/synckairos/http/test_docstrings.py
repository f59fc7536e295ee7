"""Docstrings of attributes, for the API's documents."""

from __future__ import annotations

import enum

import msgspec
import pytest

from synckairos.close_codes import CloseCode
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.stages import Stage
from synckairos.http.docstrings import attribute_docstrings
from synckairos.http.openapi import described_components


def test_every_close_code_has_one():
    assert set(attribute_docstrings(CloseCode)) == {code.name for code in CloseCode}


def test_those_of_the_bases_are_included_and_fields_without_one_are_not():
    found = attribute_docstrings(Fischer)
    assert {"main_time_ms", "cap_ms"} <= set(found)
    assert "increment_ms" not in found


def test_several_lines_are_one_text_and_none_is_null():
    assert "  " not in attribute_docstrings(Stage)["turns"]
    assert not [text for text in attribute_docstrings(Fischer).values() if "None" in text]


@pytest.mark.parametrize("kind", [enum.StrEnum, msgspec.Struct, int], ids=lambda kind: kind.__name__)
def test_classes_of_libraries_have_none(kind):
    assert attribute_docstrings(kind) == {}


def test_fields_of_structs_are_described_by_them_also_within_others():
    found = described_components([Stage])
    assert "turns" in found["Stage"]["properties"]["turns"]["description"]
    assert "FIDE" in found["Fischer"]["properties"]["increment_before_first_turn"]["description"]
