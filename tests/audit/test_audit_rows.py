"""What an entry becomes, and which entries no database would take."""

import json
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from audit import row_limits, row_mapping
from synckairos import outbox
from synckairos.auth.names import MAX_NAME_LENGTH
from synckairos.engine import commands as cmd
from tests.outboxes import History, creation


def read(entry):
    return row_mapping.read_commit("1-0", outbox.encode(entry))


def data_of(commit):
    return json.loads(commit.events[0]["data"])


def entry(**changes):
    return replace(History().entries[0], **changes)


def with_metadata(metadata):
    return History(creation(metadata=metadata)).entries[0]


def test_a_creation_says_who_created():
    history = History().do(cmd.Start())
    assert read(history.entries[0]).origin.created_by == "alice"
    assert read(history.entries[1]).origin is None


def test_a_deletion_says_when():
    history = History().do(cmd.Delete())
    assert read(history.entries[0]).deleted_at is None
    assert read(history.entries[1]).deleted_at == read(history.entries[1]).events[-1]["at"]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x02\x03", b"hello", outbox.encode(entry())[:-3]])
def test_bytes_that_are_no_entry_are_unreadable(data):
    with pytest.raises(msgspec.DecodeError):
        row_mapping.read_commit("1-0", data)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(entry(principal="a\0b"), id="NUL in a principal"),
        pytest.param(entry(request_id="r\0"), id="NUL in a request id"),
        pytest.param(entry(request_id="r" * 65), id="request id too long"),
        pytest.param(entry(epoch="e" * 33), id="epoch too long"),
        pytest.param(entry(version=2**63), id="version beyond 64 bits"),
        pytest.param(entry(committed_ms=2**60), id="instant beyond the calendar"),
        pytest.param(with_metadata({"deep": [{"text": "a\0b"}]}), id="NUL in a value"),
        pytest.param(with_metadata({"a\0b": 1}), id="NUL in a name"),
        pytest.param(with_metadata({"x": float("nan")}), id="NaN"),
        pytest.param(with_metadata({"x": float("inf")}), id="infinity"),
    ],
)
def test_values_that_a_database_would_refuse_are_refused_before(bad):
    with pytest.raises(row_mapping.UNREADABLE):
        read(bad)


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"d": value}
    return value


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"text": r"a backslash \u0000 spelled out"}, id="a NUL only spelled out"),
        pytest.param({"text": "\\\\u0000 \N{SNOWMAN} \U0001f600"}, id="backslashes and pictures"),
        pytest.param({"x": 2**63, "y": -1.5e300}, id="large numbers"),
        pytest.param(nested(450), id="deep nesting"),
    ],
)
def test_whatever_a_client_may_send_passes(metadata):
    assert data_of(read(with_metadata(metadata)))["config"]["metadata"] == metadata


def test_the_longest_name_is_kept_whole_and_none_is_cut():
    longest = "\U0001f600" * MAX_NAME_LENGTH
    assert read(entry(principal=longest)).events[0]["principal"] == longest
    seat = cmd.Seat(uuid4(), 1_000, user_id=longest)
    commit = read(History(cmd.Create.of(sync_mode="per_participant", participants=(seat,))).entries[0])
    assert commit.participants[0]["user_id"] == longest
    with pytest.raises(row_limits.Unfit, match="principal is too long"):
        read(entry(principal=f"{longest}x"))
