"""`make demo` plays by itself, shows the same clocks on three screens, and leaves nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.stacks import environment

ENDS_WITHIN_S = 120.0
WRONG_MS = 1_000.0
"""What a clock that is wrong would be off by, even on a machine that shows nothing in time."""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A short path: the store's socket lives in it."""
    directory = Path(tempfile.mkdtemp())
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def test_the_demo_plays_a_short_game_and_cleans_up(temporary: Path) -> None:
    played = subprocess.run(
        [sys.executable, "deploy/demo.py", "--seconds", "4"],
        cwd=servers.ROOT,
        env=environment(temporary / "unused", TMPDIR=str(temporary), REDIS_URL="redis://not.used.example:1/0"),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    assert played.stderr == ""
    assert re.search(r"^Moves +[1-9]", played.stdout, re.MULTILINE)
    spread = re.search(r"^Largest difference +([\d.]+) ms", played.stdout, re.MULTILINE)
    assert spread is not None
    assert float(spread[1]) < WRONG_MS
    assert not list(temporary.iterdir())
