"""`make audit` fails for a known hole, and never passes in silence when nothing was looked at."""

from __future__ import annotations

import importlib.util
import json
import subprocess

import pytest

from tests import servers

SOUND = {"name": "django", "version": "5.2.19", "vulns": []}
UNKNOWN = {"name": "django", "skip_reason": "not found"}
HOLE = {"name": "jinja2", "version": "2.0", "vulns": [{"id": "CVE-2019-1", "fix_versions": ["2.1"]}]}
AWAY = "requests.exceptions.ConnectionError: nobody there"


@pytest.fixture
def audit(monkeypatch):
    """The script, with these answers of pip-audit, one for each service: packages, or what it says in failing."""
    spec = importlib.util.spec_from_file_location("audit_script", servers.ROOT / "deploy" / "audit.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def answering(*answers):
        waiting = list(answers)

        def run(*_args, **_options):
            answer = waiting.pop(0)
            if isinstance(answer, str):
                return subprocess.CompletedProcess([], 1, "", answer)
            return subprocess.CompletedProcess([], 0, json.dumps({"dependencies": answer}), "")

        monkeypatch.setattr(script.subprocess, "run", run)
        return script.main()

    return answering


def test_a_hole_fails_by_name_and_with_its_remedy(audit, capsys):
    assert audit([SOUND, HOLE, UNKNOWN]) == 1
    assert "jinja2 2.0: CVE-2019-1 (mended in 2.1)" in capsys.readouterr().out


def test_it_fails_too_when_only_the_second_service_knows(audit):
    assert audit([UNKNOWN], [HOLE]) == 1


def test_without_holes_it_says_how_many_were_looked_up(audit, capsys):
    assert audit([SOUND, UNKNOWN]) == 0
    assert "1 packages looked up at pypi: no known hole. 1 are unknown there." in capsys.readouterr().out


@pytest.mark.parametrize("answers", [(AWAY, AWAY), ([UNKNOWN], AWAY), ([], [])])
def test_without_a_service_it_passes_and_says_so_aloud(audit, capsys, answers):
    assert audit(*answers) == 0
    assert "NOTHING WAS AUDITED" in capsys.readouterr().out


def test_a_broken_pip_audit_is_no_pass(audit):
    with pytest.raises(SystemExit, match="pip-audit failed"):
        audit("ValueError: requirements cannot be read")
