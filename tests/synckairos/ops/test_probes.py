"""Probes report whether a process lives and its work goes on, with the store or without."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from synckairos import data_directory
from synckairos.ops import heartbeats
from synckairos.ops.heartbeats import Heartbeat, last_beats
from synckairos.ops.probes import probe
from synckairos.ops.store_facts import StoreFacts, StoreNode
from tests import servers
from tests.servers import ROOT, wait_until

CELERY = [sys.executable, "-m", "celery", "-A", "config.celery", "--quiet"]
COMMANDS = {
    "timekeeper": [sys.executable, "manage.py", "timekeeper"],
    "worker": [*CELERY, "worker", "--pool", "solo", "--without-gossip", "--without-mingle"],
    "beat": [*CELERY, "beat", "--pidfile=", "--schedule"],
}


@pytest.fixture(autouse=True)
def run_directory(tmp_path, monkeypatch):
    """The directory of this test's heartbeats."""
    monkeypatch.setenv(heartbeats.DIRECTORY_VARIABLE, str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def later(monkeypatch):
    """Moves the clock by which heartbeats are read."""

    def move(seconds):
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)
        monkeypatch.setattr(heartbeats, "time", clock)

    return move


def probed(role, pid=None):
    return probe(argparse.Namespace(role=role, pid=pid))


@pytest.mark.timeout(240)
def test_each_process_sends_heartbeats_until_it_is_killed(run_directory, tmp_path, schema_url):
    env = {heartbeats.DIRECTORY_VARIABLE: str(run_directory), "DATABASE_URL": schema_url}
    commands = {**COMMANDS, "beat": [*COMMANDS["beat"], str(tmp_path / "schedule")]}
    children = {role: servers.Child(command, env=env).start() for role, command in commands.items()}
    try:
        for role, child in children.items():
            wait_until(lambda role=role: probed(role).is_healthy, 60, f"{role} is at work\n{child.output()}")
            assert probed(role, child.process.pid).is_healthy
            assert not probed(role, child.process.pid + 1).is_healthy
            (file,) = run_directory.glob(f"{role}-*")
            first = file.read_text()
            wait_until(lambda file=file, first=first: file.read_text() != first, 60, f"{role} goes on")
    finally:
        for child in children.values():
            child.stop(signal.SIGKILL)
    for role in children:
        assert f"no {role} runs here" in probed(role).text


@pytest.mark.timeout(240)
def test_a_process_that_starts_while_the_store_is_away_lives(run_directory, tmp_path, schema_url):
    """A supervisor would else restart it until the store is back, in the middle of what it does without."""
    nowhere = f"redis://127.0.0.1:{servers.free_port()}/0"
    env = {heartbeats.DIRECTORY_VARIABLE: str(run_directory), "DATABASE_URL": schema_url, "REDIS_URL": nowhere}
    commands = {**COMMANDS, "beat": [*COMMANDS["beat"], str(tmp_path / "schedule")]}
    children = {role: servers.Child(command, env=env).start() for role, command in commands.items()}
    try:
        for role, child in children.items():
            wait_until(lambda role=role: last_beats(role), 60, f"{role} lives\n{child.output()}")
            assert [beat.pid for beat in last_beats(role)] == [child.process.pid]
    finally:
        for child in children.values():
            child.stop(signal.SIGKILL)


def test_a_process_without_heartbeats_is_stuck(later):
    heartbeat = Heartbeat("worker")
    heartbeat.beat()
    assert probed("worker").is_healthy
    later(heartbeats.STUCK_AFTER_S["worker"] + 1)
    verdict = probed("worker")
    assert (verdict.is_healthy, verdict.is_stuck) == (False, True)
    heartbeat.beat()
    assert probed("worker").is_healthy


def test_a_process_stuck_while_the_store_is_away_is_healthy(later, configure, capsys):
    heartbeat = Heartbeat("timekeeper")
    heartbeat.beat()
    later(100)
    with pytest.raises(CommandError, match="worked"):
        call_command("probe", "timekeeper")
    configure(redis_url=f"redis://127.0.0.1:{servers.free_port()}/0")
    call_command("probe", "timekeeper")
    assert "waits for the store" in capsys.readouterr().out


def test_a_worker_stuck_while_the_store_is_full_is_healthy(later, monkeypatch, capsys):
    heartbeat = Heartbeat("worker")
    heartbeat.beat()
    later(100)
    with pytest.raises(CommandError):
        call_command("probe", "worker")
    full = StoreFacts({"one": StoreNode(2, 2, 1, "noeviction", True)})
    monkeypatch.setattr("sessions.management.commands.probe.store_facts", lambda: full)
    call_command("probe", "worker")
    assert "waits for the store" in capsys.readouterr().out


def test_ended_processes_leave_no_files(run_directory):
    run_directory.mkdir()
    (run_directory / "beat-1-0a0b0c0d.beat").write_text("1.0")  # a process of that id there is, and its lock is free
    assert last_beats("beat") == []
    assert list(run_directory.iterdir()) == []


def test_an_unwritable_directory_does_not_stop_the_work(monkeypatch, caplog):
    monkeypatch.setenv(heartbeats.DIRECTORY_VARIABLE, "/dev/null/run")
    heartbeat = Heartbeat("worker")
    heartbeat.beat()
    heartbeat.beat()
    assert caplog.text.count("cannot be written") == 1
    assert not probed("worker").is_healthy


def test_without_a_setting_the_directory_follows_from_the_data_directory_of_the_checkout(monkeypatch):
    monkeypatch.delenv(heartbeats.DIRECTORY_VARIABLE)
    monkeypatch.delenv("SYNCKAIROS_DATA_DIR", raising=False)
    assert heartbeats.run_directory() == data_directory.temporary_directory(ROOT / "var")


def test_the_exit_status_of_the_command_is_the_result(webs):
    def status(*arguments):
        command = [sys.executable, "manage.py", "probe", *arguments]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    well = status("web", "--port", str(webs[0].port))
    assert (well.returncode, "/health 200" in well.stdout) == (0, True)
    assert status("web", "--port", str(servers.free_port())).returncode == 1
    assert status("timekeeper").returncode == 1
