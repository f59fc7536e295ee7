"""The directory of numbers that processes share, as `PROMETHEUS_MULTIPROC_DIR` names it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.servers import ROOT

COUNTS = (
    "import django; django.setup(); from synckairos.telemetry import metrics; "
    "metrics.LOST_RACES.inc(); print('counted')"
)


def counting(place, cwd):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": place}
    return subprocess.run(
        [sys.executable, "-c", COUNTS], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_directory_that_is_named_by_nothing_is_none_and_nothing_is_written(tmp_path):
    assert counting("", tmp_path).stdout == "counted\n"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_yet_is_made(tmp_path):
    place = tmp_path / "some" / "where"
    assert counting(str(place), tmp_path).stdout == "counted\n"
    assert place.is_dir()


def test_what_can_be_no_directory_is_named_with_its_variable(tmp_path):
    (tmp_path / "file").touch()
    done = counting(str(tmp_path / "file" / "x"), tmp_path)
    assert done.returncode != 0
    assert "PROMETHEUS_MULTIPROC_DIR: Cannot be made a directory" in done.stderr
    assert "Traceback" not in done.stderr
