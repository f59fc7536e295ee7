"""Counts are exact, and in the file that other processes' scrapes read soon after."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from synckairos.telemetry import buffered_metrics
from synckairos.telemetry.buffered_metrics import BufferedHistogram, BufferedValue


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory of shared metrics. The library opens its files once."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("metrics")
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(place))
        yield place


def number(kind, name, mode=""):
    return BufferedValue(kind, name, name, (), (), "help", mode)


def shown(directory, name):
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))
    return registry.get_sample_value(name)


def test_a_count_is_in_the_file_after_a_flush(directory):
    one = number("counter", "a_total")
    one.inc(2)
    one.inc(1)
    assert shown(directory, "a_total") == 0
    buffered_metrics.flush()
    assert shown(directory, "a_total") == 3
    buffered_metrics.flush()
    assert (shown(directory, "a_total"), one.get()) == (3, 3)


def test_a_gauge_that_is_set_forgets_what_was_counted_before(directory):
    one = number("gauge", "b", "livesum")
    one.inc(5)
    one.set(2)
    assert shown(directory, "b") == 2
    one.inc(-1)
    assert one.get() == 1
    buffered_metrics.flush()
    assert shown(directory, "b") == 1


def test_threads_lose_no_count(directory):
    one = number("counter", "c_total")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            buffered_metrics.flush()

    def count():
        for _ in range(20_000):
            one.inc(1)

    writer, counters = threading.Thread(target=write), [threading.Thread(target=count) for _ in range(4)]
    for thread in (writer, *counters):
        thread.start()
    for thread in counters:
        thread.join()
    stop.set()
    writer.join()
    buffered_metrics.flush()
    assert shown(directory, "c_total") == 80_000


TIMES_S = [0.0004, 0.001, 0.0011, 0.5, 99.0]


@pytest.mark.parametrize("kind", [Histogram, BufferedHistogram])
def test_buffered_histograms_count_as_the_library_does(kind):
    registry = CollectorRegistry()
    timings = kind("f_seconds", "help", ("script",), buckets=(0.0005, 0.001, 1.0), registry=registry)
    for time_s in TIMES_S:
        timings.labels("x").observe(time_s)

    def told(name, **labels):
        return registry.get_sample_value(f"f_seconds_{name}", {"script": "x", **labels})

    assert [told("bucket", le=le) for le in ("0.0005", "0.001", "1.0", "+Inf")] == [1, 2, 4, 5]
    assert (told("count"), told("sum")) == (5, pytest.approx(sum(TIMES_S)))


def test_a_full_buffer_flushes_itself(monkeypatch):
    monkeypatch.setattr(buffered_metrics, "_MAX_BUFFERED", 10)
    timings = BufferedHistogram("g_seconds", "help", registry=CollectorRegistry())
    for _ in range(25):
        timings.observe(1.0)
    assert len(timings._buffer._amounts) == 5


def test_a_count_that_cannot_be_written_delays_no_other(directory, monkeypatch, caplog):
    broken, other = number("counter", "d_total"), number("counter", "e_total")
    monkeypatch.setattr(broken, "flush", lambda: 1 / 0)
    broken.inc(1)
    other.inc(1)
    buffered_metrics.flush()
    assert shown(directory, "e_total") == 1
    assert "could not be written" in caplog.text
