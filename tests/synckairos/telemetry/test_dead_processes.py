"""A shared directory of metrics: gauges of killed processes go, and their counts stay."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from synckairos.telemetry import dead_processes
from tests.servers import ROOT

COUNTS = """
import sys
from synckairos.telemetry import buffered_metrics, metrics
metrics.SOCKETS.inc(5)
metrics.SOCKETS_OPENED.inc(5)
metrics.STORE_SECONDS.labels("x").observe(0.0015)
buffered_metrics.flush()
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path):
    """Starts a process that has counted five open sockets in the shared directory."""
    started = []

    def start():
        env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", COUNTS]
        child = subprocess.Popen(command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(child)
        assert child.stdout.readline() == b"counted\n"
        return child

    yield start
    for child in started:
        kill(child)


def kill(child):
    child.send_signal(signal.SIGKILL)
    child.communicate()


def shown(directory, name, **labels):
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))
    return registry.get_sample_value(f"synckairos_{name}", labels)


def test_gauges_of_a_killed_process_go_and_its_counts_stay(tmp_path, process):
    victim, survivor = process(), process()
    dead_processes.merge(tmp_path)
    assert shown(tmp_path, "sockets") == 10
    kill(victim)
    dead_processes.merge(tmp_path)
    assert shown(tmp_path, "sockets") == 5
    assert shown(tmp_path, "sockets_opened_total") == 10
    assert shown(tmp_path, "store_seconds_count", script="x") == 2
    assert shown(tmp_path, "store_seconds_bucket", script="x", le="0.002") == 2
    assert survivor.poll() is None


def test_the_directory_does_not_grow_with_processes_that_end(tmp_path, process):
    for _ in range(3):
        kill(process())
        dead_processes.merge(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["clearing.lock", "counter_gone.db", "histogram_gone.db"]
    assert shown(tmp_path, "sockets_opened_total") == 15


def test_files_of_other_programs_are_not_touched(tmp_path):
    (tmp_path / "gauge_livesum_17.db").touch()
    (tmp_path / "notes.txt").touch()
    dead_processes.merge(tmp_path)
    assert {"gauge_livesum_17.db", "notes.txt"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("whose", ["99-deadbeef", "gone"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00\x00\x00" * 3], ids=["empty", "cut off"])
def test_an_unreadable_file_is_removed_and_hides_no_other_count(tmp_path, process, whose, content):
    """A machine that has lost its power leaves such files."""
    (tmp_path / f"counter_{whose}.db").write_bytes(content)
    kill(process())
    dead_processes.merge(tmp_path)
    assert shown(tmp_path, "sockets_opened_total") == 5
    dead_processes.merge(tmp_path)
    assert shown(tmp_path, "sockets_opened_total") == 5
