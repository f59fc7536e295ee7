"""The package stands by itself: it builds, imports without the project, and its README's examples run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

from tests import servers

PACKAGE = servers.ROOT / "clients" / "python"
SOURCE = PACKAGE / "src" / "synckairos_client"
LOOK = """
import sys
sys.path[:0] = sys.argv[1:]
import synckairos_client
ours = sorted({name.partition(".")[0] for name in sys.modules})
print(*ours)
"""
FOREIGN = {"django", "rest_framework", "channels", "redis", "msgspec", "synckairos", "sessions", "config", "timesync"}


def imports(*paths: Path) -> set[str]:
    """The top-level modules that importing the package brings along, in a process that knows nothing else."""
    site_packages = Path(httpx.__file__).parent.parent
    command = [sys.executable, "-I", "-S", "-c", LOOK, *map(str, paths), str(site_packages)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built package."""
    directory = tmp_path_factory.mktemp("client")
    shutil.copytree(PACKAGE, directory / "python", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory)]
    built = subprocess.run([*build, str(directory / "python")], check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(directory.glob("*.whl"))


def test_the_wheel_has_every_module_and_its_types_and_imports_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    assert {f"synckairos_client/{path.name}" for path in SOURCE.iterdir() if path.is_file()} <= names
    assert "synckairos_client/py.typed" in names
    metadata = next(tmp_path.glob("*.dist-info/METADATA")).read_text()
    needs = {re.split(r"[<>=]", line)[0] for line in re.findall(r"^Requires-Dist: (\S+)", metadata, re.MULTILINE)}
    assert needs == {"httpx", "websockets"}
    assert "synckairos_client" in (brought := imports(tmp_path))
    assert not brought & FOREIGN


def test_its_ranges_include_what_the_server_installs():
    installed = (servers.ROOT / "requirements" / "base.txt").read_text()
    wanted = re.findall(r'"((?:httpx|websockets)[^"]+)"', (PACKAGE / "pyproject.toml").read_text())
    assert len(wanted) == 2
    for requirement in map(Requirement, wanted):
        version = re.search(rf"^{requirement.name}==(\S+)", installed, re.MULTILINE)
        assert version
        assert requirement.specifier.contains(version[1])


def test_its_files_stay_small():
    long = {path.name: count for path in SOURCE.glob("*.py") if (count := len(path.read_text().splitlines())) >= 250}
    assert not long


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_its_readme_run(webs, token, tmp_path, number):
    examples = re.findall(r"```python\n(.+?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    script = tmp_path / "example.py"
    script.write_text(examples[number])
    ran = subprocess.run(
        [sys.executable, str(script), webs[0].url, token],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHONPATH": str(SOURCE.parent)},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
