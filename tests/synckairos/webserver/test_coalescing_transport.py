"""What goes out together: heads with what follows, and the answers of requests that were carried out together."""

from __future__ import annotations

import pytest

from synckairos import coalescing
from synckairos.webserver.coalescing_transport import CoalescingTransport


class Transport:
    """Notes what is asked of it."""

    def __init__(self):
        self.noted = []
        self.is_cut = False

    def write(self, data):
        self.noted.append(data)

    def close(self):
        self.noted.append("closed")

    def is_closing(self):
        return self.is_cut


@pytest.fixture
def raw():
    return Transport()


def test_a_head_goes_with_what_follows(raw):
    corked = CoalescingTransport(raw)
    corked.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert raw.noted == []
    corked.write(b"body")
    assert raw.noted == [b"HTTP/1.1 200 OK\r\n\r\nbody"]


def test_a_lone_answer_goes_out_at_once(raw):
    CoalescingTransport(raw).write_soon(b"answer")
    assert raw.noted == [b"answer"]


def test_answers_of_one_batch_go_out_after_the_last(raw):
    others = [Transport() for _ in range(3)]
    coalescing.begin()
    for one in (raw, *others):
        CoalescingTransport(one).write_soon(b"answer")
    assert raw.noted == []
    coalescing.end()
    assert [one.noted for one in (raw, *others)] == [[b"answer"]] * 4
    CoalescingTransport(raw).write_soon(b"next")
    assert raw.noted == [b"answer", b"next"]


def test_nothing_overtakes_an_answer_that_waits(raw):
    corked = CoalescingTransport(raw)
    coalescing.begin()
    corked.write_soon(b"one")
    corked.write_soon(b"two")
    corked.write(b"three")
    corked.write_soon(b"four")
    corked.close()
    coalescing.end()
    assert raw.noted == [b"onetwo", b"three", b"four", "closed"]


def test_who_was_cut_off_meanwhile_holds_up_nobody(raw):
    cut = Transport()
    coalescing.begin()
    CoalescingTransport(cut).write_soon(b"answer")
    CoalescingTransport(raw).write_soon(b"answer")
    cut.is_cut = True
    coalescing.end()
    assert (cut.noted, raw.noted) == ([], [b"answer"])


def test_one_who_cannot_be_written_to_holds_up_nobody(raw, caplog):
    broken = Transport()
    broken.write = lambda _data: 1 / 0
    coalescing.begin()
    assert coalescing.defer(lambda: 1 / 0)
    CoalescingTransport(broken).write_soon(b"answer")
    CoalescingTransport(raw).write_soon(b"answer")
    coalescing.end()
    CoalescingTransport(raw).write_soon(b"next")
    assert raw.noted == [b"answer", b"next"]
    assert "was not sent" in caplog.text
