"""`manage.py probe`: liveness of a process on the same machine, for supervisors and container platforms. Exit status 0
or 1.

This module needs no settings, so that the usual probe does not load Django.
"""

from __future__ import annotations

import argparse
import http.client
from collections.abc import Sequence
from typing import NamedTuple

from synckairos.ops.heartbeats import STUCK_AFTER_S, last_beats, run_directory

_TIMEOUT_S = 3.0
_OK = 200


class ProbeResult(NamedTuple):
    """Result of a probe, with a text for the log of the supervisor."""

    is_healthy: bool
    text: str
    is_stuck: bool = False
    """True for a process that lives without progress. It may be waiting for a store that is away."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("role", choices=["web", *STUCK_AFTER_S], help="the kind of process")
    parser.add_argument("--pid", type=int, help="timekeeper, worker, beat: this process only, where several run")
    parser.add_argument("--host", default="127.0.0.1", help="web: its address (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="web: its port (8000)")
    parser.add_argument("--ready", action="store_true", help="web: readiness instead of liveness")


def probe(options: argparse.Namespace) -> ProbeResult:
    """Run a probe with parsed arguments."""
    if options.role == "web":
        return _probe_web(options.host, options.port, "/ready" if options.ready else "/health")
    return _probe_heartbeats(options.role, options.pid)


def probe_from_arguments(arguments: Sequence[str]) -> ProbeResult:
    """Run a probe with command-line arguments. Wrong ones end the process."""
    parser = argparse.ArgumentParser("manage.py probe", description="Whether the process beside it works.")
    add_arguments(parser)
    return probe(parser.parse_args(arguments))


def _probe_web(host: str, port: int, path: str) -> ProbeResult:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = f"{path} {response.status} {response.read().decode(errors='replace')}"
        return ProbeResult(response.status == _OK, text)
    except (OSError, http.client.HTTPException) as error:
        return ProbeResult(False, f"no answer from {host}:{port}: {error}")
    finally:
        connection.close()


def _probe_heartbeats(role: str, pid: int | None) -> ProbeResult:
    beats = [beat for beat in last_beats(role) if pid in {None, beat.pid}]
    if not beats:
        process = role if pid is None else f"{role} {pid}"
        return ProbeResult(False, f"no {process} runs here (signs of life in {run_directory()})")
    stuck = [beat for beat in beats if beat.age_s is None or beat.age_s > STUCK_AFTER_S[role]]
    text = ", ".join(f"{role} {beat.pid}: {_describe(beat.age_s)}" for beat in stuck or beats)
    return ProbeResult(not stuck, text, is_stuck=bool(stuck))


def _describe(seconds: float | None) -> str:
    return "its work has not begun" if seconds is None else f"worked {seconds:.1f} s ago"
