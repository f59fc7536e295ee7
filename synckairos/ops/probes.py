"""`manage.py probe`: whether the process beside it works, for supervisors and container platforms. Exit status 0 or 1.

All that needs no settings is here, so that the usual answer costs no Django.
"""

from __future__ import annotations

import argparse
import http.client
from collections.abc import Sequence
from typing import NamedTuple

from synckairos.ops.heartbeats import STUCK_AFTER_S, directory, last_beats

_TIMEOUT_S = 3.0
_OK = 200


class ProbeResult(NamedTuple):
    """What a probe has found."""

    is_healthy: bool
    text: str
    is_stuck: bool = False
    """It lives, and its work has not gone on for long: it may be waiting for a store that is away."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("role", choices=["web", *STUCK_AFTER_S], help="whom to ask about")
    parser.add_argument("--pid", type=int, help="timekeeper, worker, beat: this process only, where several run")
    parser.add_argument("--host", default="127.0.0.1", help="web: where it listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="web: its port (8000)")
    parser.add_argument("--ready", action="store_true", help="web: whether it wants work, not only whether it runs")


def probe(asked: argparse.Namespace) -> ProbeResult:
    """Ask."""
    if asked.role == "web":
        return _probe_web(asked.host, asked.port, "/ready" if asked.ready else "/health")
    return _probe_heartbeats(asked.role, asked.pid)


def probe_from_arguments(arguments: Sequence[str]) -> ProbeResult:
    """Ask, by command-line arguments. Ends the process when they are wrong."""
    parser = argparse.ArgumentParser("manage.py probe", description="Whether the process beside it works.")
    add_arguments(parser)
    return probe(parser.parse_args(arguments))


def _probe_web(host: str, port: int, path: str) -> ProbeResult:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = f"{path} {answer.status} {answer.read().decode(errors='replace')}"
        return ProbeResult(answer.status == _OK, said)
    except (OSError, http.client.HTTPException) as error:
        return ProbeResult(False, f"no answer from {host}:{port}: {error}")
    finally:
        connection.close()


def _probe_heartbeats(role: str, pid: int | None) -> ProbeResult:
    found = [beat for beat in last_beats(role) if pid in {None, beat.pid}]
    if not found:
        whose = role if pid is None else f"{role} {pid}"
        return ProbeResult(False, f"no {whose} runs here (signs of life in {directory()})")
    stuck = [beat for beat in found if beat.age_s is None or beat.age_s > STUCK_AFTER_S[role]]
    told = ", ".join(f"{role} {beat.pid}: {_ago(beat.age_s)}" for beat in stuck or found)
    return ProbeResult(not stuck, told, is_stuck=bool(stuck))


def _ago(seconds: float | None) -> str:
    return "its work has not begun" if seconds is None else f"worked {seconds:.1f} s ago"
