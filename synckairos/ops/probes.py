"""`manage.py probe`: whether the process beside it works, for supervisors and container platforms. Exit status 0 or 1.

All that needs no settings is here, so that the usual answer costs no Django.
"""

from __future__ import annotations

import argparse
import http.client
from collections.abc import Sequence
from typing import NamedTuple

from synckairos.ops.heartbeats import ROLES, directory, signs

_WITHIN_S = 3.0
_OK = 200


class Verdict(NamedTuple):
    """What a probe has found."""

    is_well: bool
    text: str
    is_stuck: bool = False
    """It lives, and its work has not gone on for long: it may be waiting for a store that is away."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("role", choices=["web", *ROLES], help="whom to ask about")
    parser.add_argument("--pid", type=int, help="timekeeper, worker, beat: this process only, where several run")
    parser.add_argument("--host", default="127.0.0.1", help="web: where it listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="web: its port (8000)")
    parser.add_argument("--ready", action="store_true", help="web: whether it wants work, not only whether it runs")


def probe(asked: argparse.Namespace) -> Verdict:
    """Ask."""
    if asked.role == "web":
        return _web(asked.host, asked.port, "/ready" if asked.ready else "/health")
    return _working(asked.role, asked.pid)


def quickly(arguments: Sequence[str]) -> Verdict:
    """Ask, by command-line arguments. Ends the process when they are wrong."""
    parser = argparse.ArgumentParser("manage.py probe", description="Whether the process beside it works.")
    add_arguments(parser)
    return probe(parser.parse_args(arguments))


def _web(host: str, port: int, path: str) -> Verdict:
    connection = http.client.HTTPConnection(host, port, timeout=_WITHIN_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = f"{path} {answer.status} {answer.read().decode(errors='replace')}"
        return Verdict(answer.status == _OK, said)
    except (OSError, http.client.HTTPException) as error:
        return Verdict(False, f"no answer from {host}:{port}: {error}")
    finally:
        connection.close()


def _working(role: str, pid: int | None) -> Verdict:
    found = [sign for sign in signs(role) if pid in {None, sign.pid}]
    if not found:
        whose = role if pid is None else f"{role} {pid}"
        return Verdict(False, f"no {whose} runs here (signs of life in {directory()})")
    stuck = [sign for sign in found if sign.ago_s is None or sign.ago_s > ROLES[role]]
    told = ", ".join(f"{role} {sign.pid}: {_ago(sign.ago_s)}" for sign in stuck or found)
    return Verdict(not stuck, told, is_stuck=bool(stuck))


def _ago(seconds: float | None) -> str:
    return "its work has not begun" if seconds is None else f"worked {seconds:.1f} s ago"
