"""Requests made from the OpenAPI document, right and wrong ones, in sequences too: a real web process keeps its word.

Which checks are on is in tests/contracts/schemathesis/.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from synckairos.auth.principal import mint
from tests import servers

CONFIG = Path(__file__).parent / "schemathesis" / "schemathesis.toml"
SEED = 20
SHORT = ("--phases", "examples,fuzzing,stateful", "--max-examples", "3")
LONG = ("--max-examples", "40")
LONG_CASES = 2_000


@pytest.fixture
def web(audit_url):
    """One whose database has its tables: the token doors are in the document."""
    server = servers.web(DATABASE_URL=audit_url)
    yield server.wait_ready()
    server.stop()


def run(web, directory, *options):
    """How many cases passed; fails with what schemathesis has to say."""
    report = directory / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{web.url}/api-docs.json"),
        *("--header", f"Authorization: Bearer {mint('moderator', is_staff=True)}", "--checks", "all"),
        *("--exclude-checks", "positive_data_acceptance"),  # right_requests_are_taken, of checks.py, is in its place
        # Its answers have no end. What it answers to wrong requests, /poll before it answers too.
        *("--exclude-path", "/v1/sessions/{session_id}/stream"),
        *("--seed", str(SEED), "--continue-on-failure", "--no-color", "--generation-database", "none"),
        *("--report", "json", "--report-json-path", str(report)),
    ]
    # It keeps what it has found where it runs: there, no run knows of another.
    env = {**os.environ, "PYTHONPATH": str(servers.ROOT)}
    done = subprocess.run(
        [*command, *options], cwd=directory, env=env, capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(report.read_text())
    assert not result["failures"]
    assert not result["errors"]
    print(result["test_cases"])
    return result


def test_the_server_keeps_its_document(web, tmp_path):
    assert run(web, tmp_path, *SHORT)["complete"]


@pytest.mark.slow
def test_the_server_keeps_its_document_for_thousands_of_requests(web, tmp_path):
    result = run(web, tmp_path, *LONG)
    assert result["operations"]["tested"] == result["operations"]["total"] - 1
    assert result["test_cases"]["generated"] >= LONG_CASES
