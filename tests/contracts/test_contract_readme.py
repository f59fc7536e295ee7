"""The README can be followed: what it says to type into a shell works, and shows what it says it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.markdown import ROOT, blocks, section

STEPS = [*blocks(section("README.md", "Try it: REST"), "sh"), *blocks(section("README.md", "Try it: WebSocket"), "sh")]
SHARING = blocks(section("README.md", "Try it: somebody else"), "sh")


@pytest.fixture(scope="module")
def said(webs, tmp_path_factory):
    """What a shell prints for all three chapters, one after the other, at a server of the tests."""
    script = "\n".join(["set -eu", *STEPS, "echo ---", *SHARING])
    assert script.count("http://127.0.0.1:8000") == 1
    place = tmp_path_factory.mktemp("readme")
    replaced = {
        "http://127.0.0.1:8000": webs[0].url,
        ".venv/bin/python": shlex.quote(sys.executable),
        "/tmp/watch.py": str(place / "watch.py"),  # noqa: S108 - what the README says
        "sleep 3": "sleep 0.1",
    }
    for old, new in replaced.items():
        assert old in script
        script = script.replace(old, new)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_session_is_made_started_switched_and_read(said):
    made, started, switched, read = answers(said)[:4]
    assert (made["data"]["status"], started["data"]["status"]) == ("pending", "running")
    first, second = (player["participant_id"] for player in made["data"]["participants"])
    assert switched["data"]["active_participant_id"] == second
    assert read["data"].keys() == {"status", "version", "participants", "deadline_at"}
    assert read["data"]["version"] == 3
    assert first.startswith("aaaaaaaa")


def test_a_socket_shows_what_the_readme_shows(said):
    shown = blocks(section("README.md", "Try it: WebSocket"), "")[-1]
    general = [re.sub(r"\d+ ms left", "… ms left", line) for line in shown.strip().splitlines()]
    assert len(general) == 5
    watched = [re.sub(r"\d+ ms left", "… ms left", line) for line in said.splitlines() if not line.startswith("{")]
    assert sorted(watched[: watched.index("---")]) == sorted(general)  # an ACK may come after its STATE_UPDATE


def test_a_guest_reads_and_may_not_switch(said):
    read, switched = answers(said.partition("---")[2])
    assert read["data"]["status"] == "running"
    assert switched["error"]["code"] == "FORBIDDEN"
