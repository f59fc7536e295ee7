"""The compiled lists are complete for every Python that pyproject.toml promises, and `make` finds one of these."""

from __future__ import annotations

import re
import subprocess
import tomllib
from email.message import Message
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import cast

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.servers import ROOT

PROMISED = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
MICROS = (*range(4), 30)
"""Of each minor version. Libraries change what they need in the first ones, if at all."""
PYTHONS = [version for minor in range(8, 30) for micro in MICROS if PROMISED.contains(version := f"3.{minor}.{micro}")]
PLATFORMS = [("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64")]
LISTS = {"base": ["base"], "dev": ["base", "dev"], "bench": ["base", "bench"], "parquet": ["base", "parquet"]}
"""The lists that are installed together."""


def environment(python: str, platform: tuple[str, str, str]) -> dict[str, str]:
    """What markers are asked about: CPython of this version on this platform."""
    system, name, machine = platform
    here = {"sys_platform": system, "platform_system": name, "platform_machine": machine, "extra": ""}
    short = python.rpartition(".")[0]
    return {**default_environment(), **here, "python_version": short, "python_full_version": python}


def holds(requirement: Requirement, env: dict[str, str], extras: set[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({**env, "extra": e}) for e in extras | {""})


@lru_cache
def entries(path: Path) -> list[Requirement]:
    lines = re.findall(r"^[A-Za-z][^\\#\n]*", path.read_text(), re.MULTILINE)
    return [Requirement(line.strip()) for line in lines]


def installed_on(env: dict[str, str], lists: list[str]) -> dict[str, str]:
    """Version by name of what `pip install --no-deps -r` takes from these lists."""
    taken = [r for name in lists for r in entries(ROOT / "requirements" / f"{name}.txt") if holds(r, env, set())]
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in taken}


@lru_cache
def about(name: str) -> Message:
    """What an installed distribution says of itself. Nothing, when the Python that runs this does not need it: another
    one, which does, will look."""
    try:
        return cast("Message", metadata.metadata(name))
    except metadata.PackageNotFoundError:
        return Message()


@lru_cache
def needs_of(name: str) -> list[Requirement]:
    return [Requirement(text) for text in about(name).get_all("Requires-Dist") or []]


@lru_cache
def pythons_of(name: str) -> SpecifierSet:
    return SpecifierSet(about(name).get("Requires-Python") or "")


def faults(env: dict[str, str], lists: list[str]) -> set[str]:
    """What is missing, or in a wrong version, walking from the ranges along what each distribution requires."""
    there = installed_on(env, lists)
    wrong, seen = set(), set()
    ahead = [("the ranges", r) for name in lists for r in entries(ROOT / "requirements" / f"{name}.in")]
    while ahead:
        who, wanted = ahead.pop()
        name = canonicalize_name(wanted.name)
        version = there.get(name)
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            wrong.add(f"{who} wants {wanted}; the list has {version}")
            continue
        if (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        if not pythons_of(name).contains(env["python_full_version"]):
            wrong.add(f"{name} {version} is not for Python {env['python_full_version']}")
        ahead += [(name, r) for r in needs_of(name) if holds(r, env, set(wanted.extras))]
    return wrong


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_nothing_is_missing_in_a_list_on_any_python_that_is_promised(lists):
    alike = {}
    for python in PYTHONS:
        for platform in PLATFORMS:
            env = environment(python, platform)
            key = (python.rpartition(".")[0], platform, frozenset(installed_on(env, lists).items()))
            alike.setdefault(key, env)
    assert {"3.11.2", "3.13.0"} <= set(PYTHONS)
    found = {fault for env in alike.values() for fault in faults(env, lists)}
    assert not found, "\n".join(sorted(found))


def test_a_library_that_only_some_pythons_need_is_in_the_list_for_those_alone():
    """redis-py needs async-timeout below Python 3.11.3."""
    on = {python: installed_on(environment(python, PLATFORMS[0]), ["base"]) for python in PYTHONS}
    assert [python for python in PYTHONS if "async-timeout" in on[python]] == ["3.11.2"]


def python_that_is(version: str, directory: Path, name: str = "python3") -> None:
    """A stand-in for a Python: it says this version, has a venv module, and makes nothing."""
    stand_in = directory / name
    says = f'case "$*" in *version_info*) echo {version};; *" venv "*) echo "$0 makes $3";; esac'
    stand_in.write_text(f"#!/bin/sh\n{says}\n")
    stand_in.chmod(0o755)


def chosen(path: Path, *python: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/bash", str(ROOT / "deploy" / "venv.sh"), "somewhere", *python]
    env = {"PATH": f"{path}:/bin" if not python else f"{path}:/usr/bin:/bin"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": "3.11.2"}, "python3"),
        ({"python3": "3.13.9", "python3.12": "3.12.1"}, "python3"),
        ({"python3": "3.9.7", "python3.12": "3.12.1"}, "python3.12"),
        ({"python3": "3.14.0", "python3.11": "3.11.2"}, "python3.11"),
    ],
)
def test_make_takes_the_first_python_that_is_promised(tmp_path, pythons, taken):
    for name, version in pythons.items():
        python_that_is(version, tmp_path, name)
    said = chosen(tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.endswith(f"/{taken} makes somewhere\n")
    assert said.stderr == ""


@pytest.mark.parametrize("version", ["2.7.18", "3.9.7", "3.11.1"])
def test_a_python_that_is_too_old_is_refused_and_the_promised_ones_are_named(tmp_path, version):
    python_that_is(version, tmp_path, "mine")
    said = chosen(tmp_path, "mine")
    assert said.returncode == 1
    assert "SyncKairos is tried on Python 3.11.2 to 3.13" in said.stderr
    assert f"mine is {version}" in said.stderr


def test_a_python_that_is_newer_than_what_was_tried_is_taken_with_a_warning(tmp_path):
    python_that_is("3.15.0", tmp_path, "mine")
    said = chosen(tmp_path, "mine")
    assert said.returncode == 0
    assert "mine is 3.15.0, which is newer" in said.stderr
