"""Files of a data directory are accessible to their owner only, whichever process made them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from synckairos import data_directory
from tests.servers import ROOT
from tests.stacks import environment


@pytest.fixture(autouse=True)
def _open_umask():
    """Sets the usual umask, with which others may read new files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(directory):
    """Return the names of the files that others may access."""
    paths = [directory, *directory.rglob("*")]
    return [path.name for path in paths if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077]


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("secret")


NAMES = [
    *("secret_key", "signing_key", "signing_key.4711", "admin_password", "stack.lock"),
    *("synckairos.sqlite3", "synckairos.sqlite3-wal", "synckairos.sqlite3-shm", "beat-schedule", "beat-schedule.dat"),
    *("appendonlydir/appendonly.aof.1.incr.aof", "metrics/counter_1.db", "run/web-1.beat", "dump.rdb"),
]


@pytest.mark.parametrize("is_ours", [True, False])
def test_an_open_data_directory_is_restricted(tmp_path, is_ours):
    data = tmp_path / "var"
    for name in NAMES:
        write(data / name)
    assert len(open_to_others(data)) > len(NAMES)
    data_directory.restrict_modes(data, is_ours=is_ours)
    assert open_to_others(data) == []
    assert (data / "secret_key").read_text() == "secret"


def test_in_a_directory_that_others_use_too_only_what_is_ours_is_closed(tmp_path):
    home = tmp_path / "home"
    for name in ("secret_key", "public_html/index.html", "notes.txt"):
        write(home / name)
    data_directory.restrict_modes(home, is_ours=False)
    assert sorted(open_to_others(home)) == ["home", "index.html", "notes.txt", "public_html"]


def test_links_are_not_followed(tmp_path):
    write(tmp_path / "elsewhere" / "file")
    data = tmp_path / "var"
    data.mkdir()
    (data / "run").symlink_to(tmp_path / "elsewhere")
    (data / "secret_key").symlink_to(tmp_path / "elsewhere" / "file")
    data_directory.restrict_modes(data, is_ours=True)
    assert open_to_others(tmp_path / "elsewhere") == ["elsewhere", "file"]


def test_a_directory_that_is_not_there_is_not_made(tmp_path):
    data_directory.restrict_modes(tmp_path / "var", is_ours=True)
    assert not (tmp_path / "var").exists()


def test_without_a_stack_too_nobody_else_reads_the_database(tmp_path):
    data = tmp_path / "var"
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", USES_THE_DATABASE],
        cwd=ROOT,
        env=environment(data),
        check=True,
        capture_output=True,
    )
    assert {path.name for path in data.iterdir()} >= {"secret_key", "signing_key", "synckairos.sqlite3"}
    assert open_to_others(data) == []


USES_THE_DATABASE = "from django.db import connection; connection.cursor().execute('CREATE TABLE t (x)')"


def test_what_lies_among_the_temporary_files_is_ours_or_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = data_directory.temporary_directory(tmp_path / "var")
    assert open_to_others(data_directory.make_private_directory(place)) == []
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        data_directory.make_private_directory(place)


def test_nor_what_somebody_has_put_in_its_place(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "place").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        data_directory.make_private_directory(tmp_path / "place")
