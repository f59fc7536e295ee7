"""In production every line of every process is one JSON object: of its start, its work, its faults and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from config.celery import app
from synckairos.telemetry.logs import logging_config
from tests.conftest import bearer
from tests.servers import DATA_DIR, ROOT, Child, wait_until
from tests.servers import PRODUCTION as PRODUCTION_SETTINGS

PRODUCTION = {
    **PRODUCTION_SETTINGS,
    "SYNCKAIROS_LOG_LEVEL": "INFO",
    "SYNCKAIROS_LAME_DUCK_S": "0",
    "PYTHONWARNINGS": "default",
    "DJANGO_SETTINGS_MODULE": "config.settings",
}
CELERY = [sys.executable, "-m", "celery", "-A", "config.celery"]
HTTPS = {"X-Forwarded-Proto": "https"}


def lines_of(output):
    """The lines of a process, each of which is an object that says when, how bad and what."""
    lines = [json.loads(line) for line in output.splitlines() if line]
    for line in lines:
        assert {"timestamp", "level", "event", "logger"} <= line.keys(), line
    return lines


def event_of(lines, event):
    return next(line for line in lines if line["event"] == event)


@pytest.fixture
def started():
    """Starts a process, waits until it says this, and ends it in the end."""
    running = []

    def start(command, says, fds=()):
        env = {**PRODUCTION, "DATABASE_URL": f"sqlite:///{DATA_DIR / 'empty.sqlite3'}"}
        child = Child(command, env=env, fds=fds).start()
        running.append(child)
        wait_until(lambda: f'"{says}"' in child.output(), 60, f"{says}\n{child.output()}")
        return child

    yield start
    for child in running:
        child.stop(signal.SIGKILL)


def stopped(child):
    """Ends it as an operator does; gives all its lines."""
    assert child.stop() == 0
    return lines_of(child.output())


def test_the_web_process_which_names_its_true_address(started):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        fd = listener.fileno()
        web = started([sys.executable, "manage.py", "web", "--fd", str(fd)], "serving", fds=(fd,))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=HTTPS, timeout=30) as http:
        assert http.get("/api-docs").status_code == 200
        style = http.get("/static/admin/css/base.css")
        assert (style.status_code, len(style.content)) == (200, int(style.headers["Content-Length"]))
        assert http.get("/v1/sessions/x", headers=bearer("garbage")).status_code == 401
        http.post("/v1/token", json={"username": "carol", "password": "x"})  # the database has no tables
    lines = stopped(web)
    assert event_of(lines, "serving") | {"timestamp": ""} == {
        "host": "127.0.0.1",
        "port": port,
        "event": "serving",
        "level": "info",
        "logger": "synckairos.webserver.server",
        "timestamp": "",
    }
    assert {line["path"] for line in lines if line["event"] == "request"} >= {"/api-docs", "/static/admin/css/base.css"}
    assert not [line for line in lines if line["logger"] == "py.warnings"]  # of streams that block, say
    assert event_of(lines, "stopped")


def test_the_timekeeper(started):
    lines = stopped(started([sys.executable, "manage.py", "timekeeper"], "shards served"))
    assert [event_of(lines, f"timekeeper {said}")["level"] for said in ("started", "stopped")] == ["info", "info"]


def test_the_worker_and_beat_whatever_their_command_lines(started):
    """No banner, no format of Celery's, no text of its signal handlers; the traceback of a task is a field."""
    worker = started([*CELERY, "worker", "--pool", "solo", "--loglevel", "INFO"], "worker started")
    beat = started([*CELERY, "beat", "--pidfile=", "-s", str(DATA_DIR / "json-beat"), "-l", "DEBUG"], "beat started")
    for task in ("sessions.tasks.forget_expired_tokens", "no.such.task"):
        app.send_task(task)
    wait_until(lambda: "no.such.task" in worker.output(), 60, "the worker knows no such task")
    wait_until(lambda: "no such table" in worker.output(), 60, "the task fails")
    assert [line["event"] for line in stopped(beat) if line["logger"] == "config.celery"] == [
        "beat started",
        "beat stopped",
    ]
    lines = stopped(worker)
    assert event_of(lines, "worker: Warm shutdown (MainProcess)")
    assert event_of(lines, "worker stopped")
    failed = next(line for line in lines if line["logger"] == "celery.app.trace")
    assert failed["level"] == "error"
    assert "no such table" in failed["exception"]


CRASH = """
import django, threading, warnings, sys, asyncio
from django.conf import settings
settings.LOGGING
{before}
django.setup()
{faults}
"""
FAULTS = """
class Broken:
    def __del__(self):
        raise ValueError("thrown away")
Broken()
thread = threading.Thread(target=lambda: 1 / 0, name="divider")
thread.start()
thread.join()
warnings.warn("two\\nlines", stacklevel=1)
async def lost():
    asyncio.get_running_loop().call_soon(lambda: [][0])
    await asyncio.sleep(0.01)
asyncio.run(lost())
print("some", "words", file=sys.stderr)
sys.stderr.write("unfinished")
from sessions.timekeeping.keeper import Timekeeper
async def fail(self):
    raise RuntimeError("the end")
Timekeeper.run = fail
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "timekeeper"])
"""


def run(*command, **env):
    """A command to its end, as a supervisor would see it."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **PRODUCTION, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_fault_that_nobody_catches_is_one_line_with_its_traceback():
    done = run(sys.executable, "-c", CRASH.format(before="", faults=FAULTS))
    assert done.returncode == 1
    assert not done.stdout
    lines = lines_of(done.stderr)
    for event, fault in {
        "fault ignored": "ValueError: thrown away",
        "thread ended by a fault": "ZeroDivisionError",
        "ended by a fault": "RuntimeError: the end",
    }.items():
        line = event_of(lines, event)
        assert line["exception"].startswith("Traceback")
        assert fault in line["exception"]
    assert event_of(lines, "ended by a fault")["level"] == "critical"
    assert event_of(lines, "thread ended by a fault")["thread"] == "divider"
    assert any("two\nlines" in line["event"] for line in lines if line["logger"] == "py.warnings")
    assert any("IndexError" in line.get("exception", "") for line in lines if line["logger"] == "asyncio")
    assert event_of(lines, "some words")["logger"] == "stderr"
    assert any("unfinished" in line["event"] for line in lines)


def test_a_fault_before_django_is_set_up_is_one_too():
    done = run(sys.executable, "-c", CRASH.format(before="1 / 0", faults=""))
    assert "ZeroDivisionError" in event_of(lines_of(done.stderr), "ended by a fault")["exception"]


@pytest.mark.parametrize(
    ("command", "says", "env"),
    [
        (("manage.py", "issue_token", "ada "), "CommandError: A subject has", {}),
        (("manage.py", "web", "--nonsense"), "unrecognized arguments: --nonsense", {}),
        (("-m", "celery", "-A", "config.celery", "beat"), "SYNCKAIROS_SHARDS: Must be", {"SYNCKAIROS_SHARDS": "0"}),
        (("-m", "celery", "-A", "config.celery", "worker", "--nonsense"), "No such option", {}),
    ],
)
def test_a_command_that_fails_says_why_in_a_line(command, says, env):
    done = run(sys.executable, *command, **env)
    assert done.returncode != 0
    assert any(says in line["event"] for line in lines_of(done.stderr + done.stdout)), done.stderr


def test_what_a_command_is_asked_for_is_no_log():
    done = run(sys.executable, "manage.py", "issue_token", "ada")
    assert (done.returncode, done.stderr, done.stdout.count(".")) == (0, "", 2)


def test_there_are_no_colours_where_no_terminal_shows_them():
    log = "from synckairos.telemetry import logs; logs.get_logger('x').warning('seen', a=1)"
    program = f"import django; django.setup(); {log}"
    done = run(sys.executable, "-c", program, SYNCKAIROS_ENV="test", FORCE_COLOR="1")
    assert "seen" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("is_terminal", "wish", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_a_terminal_shows_colours_unless_its_owner_likes_none(monkeypatch, is_terminal, wish, coloured):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setenv("NO_COLOR", wish)
    config = logging_config(as_json=False, level="INFO")
    renderer = config["formatters"]["structured"]["processors"][-1]
    assert ("\x1b" in renderer(None, "info", {"event": "seen", "level": "info"})) is coloured
