"""Clients that generators make of the OpenAPI document work, and are ones that people can read.

`make generated` runs these: the Python generators are in an environment of their own, the TypeScript one is npm's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from synckairos.auth.principal import mint
from tests import servers

HERE = Path(__file__).parent
BIN = Path(os.environ["GENERATORS"]).resolve() / "bin"
WITHIN_S = 300
SEEN = {
    "started": "running",
    "active": "bbbbbbbb-0000-4000-8000-000000000002",
    "version": 3,
    "refused": "INVALID_STATE_TRANSITION",
    "periods": 3,
    "turns": 40,
}
NUMBERED = re.compile(r"\d$|Type\d|Request\d|Response\d")
needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None and "REQUIRE_NODE" not in os.environ, reason="npm is not installed"
)
pytestmark = pytest.mark.timeout(2 * WITHIN_S)


@pytest.fixture(scope="module")
def web():
    server = servers.web()
    yield server.wait_ready()
    server.stop()


@pytest.fixture(scope="module")
def document(web, tmp_path_factory):
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(httpx.get(f"{web.url}/api-docs.json", timeout=30).text)
    return path


def run(*command, **options):
    """What a program has printed; fails with what it has to say otherwise."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=WITHIN_S, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def played(web, *command, path=None, **options):
    env = {**os.environ, "URL": web.url, "TOKEN": mint("alice", is_staff=False)}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    return json.loads(run(*command, env=env, **options))


def test_the_client_of_openapi_python_client_plays_a_game(web, document, tmp_path):
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    made = run(
        *(BIN / "openapi-python-client", "generate", "--path", document, "--output-path", tmp_path / "made"),
        *("--meta", "none", "--fail-on-warning"),
        env=env,
    )
    assert "WARNING" not in made
    assert played(web, BIN / "python", HERE / "play_client.py", path=tmp_path) == SEEN | {
        "metadata": {"title": "python", "rounds": [1, 2]}
    }
    classes = re.findall(r'^    "(\w+)",$', (tmp_path / "made/models/__init__.py").read_text(), re.MULTILINE)
    assert "State" in classes
    assert not [name for name in classes if NUMBERED.search(name)]


def test_the_models_of_datamodel_codegen_play_a_game(web, document, tmp_path):
    made = tmp_path / "made_models.py"
    run(
        *(BIN / "datamodel-codegen", "--input", document, "--input-file-type", "openapi", "--output", made),
        *("--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin"),
    )
    assert played(web, BIN / "python", HERE / "play_models.py", path=tmp_path) == SEEN | {
        "metadata": {"title": "pydantic", "rounds": [1, 2]}
    }
    classes = re.findall(r"^class (\w+)\(", made.read_text(), re.MULTILINE)
    assert "State" in classes
    assert not [name for name in classes if NUMBERED.search(name)]


@needs_npm
def test_the_types_of_openapi_typescript_are_checked_and_play_a_game(web, document, tmp_path):
    for file in (HERE / "typescript").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=tmp_path)
    run(tmp_path / "node_modules/.bin/openapi-typescript", document, "-o", "generated.ts", cwd=tmp_path)
    made = (tmp_path / "generated.ts").read_text()
    used = made.partition("export interface components")[2].partition("export type $defs")[0]
    assert "JsonObject: {" in used
    assert "Record<string, never>" not in used
    run(tmp_path / "node_modules/.bin/tsc", "--project", ".", cwd=tmp_path)
    assert played(web, "node", "main.mjs", cwd=tmp_path) == SEEN | {
        "metadata": {"title": "typescript", "rounds": [1, 2]}
    }
