"""Two stacks on one machine: apart from each other, whole in themselves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests import servers
from tests.stacks import Stack, environment

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def stacks() -> Iterator[list[Stack]]:
    both = [Stack().start(), Stack().start()]
    try:
        yield [stack.wait_ready() for stack in both]
    finally:
        for stack in both:
            stack.remove()


@pytest.fixture
def here(stacks: list[Stack]) -> Iterator[httpx.Client]:
    with stacks[0].client() as client:
        yield client


def test_a_session_of_one_stack_does_not_exist_in_the_other(stacks, here, game: dict[str, Any]) -> None:
    session_id = here.post("/v1/sessions", json=game).json()["data"]["session_id"]
    with stacks[1].client() as there:
        assert here.get(f"/v1/sessions/{session_id}").status_code == 200
        assert there.get(f"/v1/sessions/{session_id}").status_code == 404


def test_what_happened_reaches_the_audit_through_worker_and_beat(here, game: dict[str, Any]) -> None:
    def audited() -> int:
        found = re.search(r"^synckairos_audit_events_total (\d+)", here.get("/metrics").text, re.MULTILINE)
        return int(found[1]) if found else 0  # written by the worker, told by the web process: they share their metrics

    before = audited()
    session_id = here.post("/v1/sessions", json=game).json()["data"]["session_id"]
    here.post(f"/v1/sessions/{session_id}/start")
    servers.wait_until(lambda: audited() >= before + 2, WITHIN_S, "both events are in the audit")


def test_a_killed_web_process_is_replaced_and_no_caller_is_refused(stacks, here, game: dict[str, Any]) -> None:
    session_id = here.post("/v1/sessions", json=game).json()["data"]["session_id"]
    [web] = stacks[0].processes("--fd")
    os.kill(web, signal.SIGKILL)
    with stacks[0].client() as newcomer:  # waits in the queue of the socket that the stack holds
        assert newcomer.get(f"/v1/sessions/{session_id}").status_code == 200
    [successor] = stacks[0].processes("--fd")
    assert successor != web
    assert "web 1 ended (SIGKILL); it starts again in 1 s" in stacks[0].logs()


def test_the_token_is_shown_to_its_owner_and_logged_nowhere(stacks, here) -> None:
    assert here.headers["Authorization"].removeprefix("Bearer ") not in stacks[0].logs()


def test_nobody_else_on_the_machine_reads_or_uses_what_a_stack_keeps(stacks, here, game: dict[str, Any]) -> None:
    here.post("/v1/sessions", json=game)
    here.get("/admin/login/")
    data = stacks[1].data_dir
    kept = [path for path in data.rglob("*") if path.name not in {"ready.txt", "logs.txt"}]  # these are the test's
    assert {"appendonlydir", "synckairos.sqlite3", "valkey.sock", "metrics", "run"} <= {path.name for path in kept}
    open_to_others = [path.name for path in (data, *kept) if path.lstat().st_mode & 0o077]
    assert open_to_others == []


@pytest.mark.parametrize(
    ("own_port", "own_directory", "named"), [(False, True, "PORT="), (True, False, "SYNCKAIROS_DATA_DIR=")]
)
def test_what_is_taken_is_refused_by_name(stacks, tmp_path, own_port, own_directory, named) -> None:
    directory = tmp_path if own_directory else stacks[0].data_dir
    port = servers.free_port() if own_port else stacks[0].port
    refused = _up(environment(directory, PORT=str(port)))
    assert refused.returncode == 1
    assert refused.stderr.startswith("SyncKairos cannot start")
    assert named in refused.stderr
    assert "Traceback" not in refused.stderr


def test_nonsense_in_the_environment_is_refused_by_name(tmp_path) -> None:
    refused = _up(environment(tmp_path, PORT="http", WEB_WORKERS="0"))
    assert refused.returncode == 1
    assert "PORT" in refused.stderr
    assert "WEB_WORKERS" in refused.stderr


def _up(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "deploy/up.py"]
    return subprocess.run(
        command, cwd=servers.ROOT, env=env, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
