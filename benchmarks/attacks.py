"""What one stranger, one viewer and one customer can cost the others: `python benchmarks/attacks.py [--root DIR]`.

A stack with the limits that stand by default and two web processes. Somebody else's games are switched 40 times a
second; each attack runs beside them for a while, from a process of the lowest priority, as if it were on another
machine. Printed for each: how late the others' switches are answered, beside the quiet stretch before
it; how late deadlines are; and by how much the largest process and the store have grown. `--root` attacks another
checkout. Fails when an attack cannot be made, never because it has an effect.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from attacking import ATTACKS
from callers import Round, ask_at
from msgspec import Struct
from results import percentile, short
from stack import ROOT, Stack, processes_of, running_stack

PER_S = 40.0
"""Switches a second of others."""
GAMES = 40
QUIET_S, ATTACK_S = 6.0, 12.0
_SHORT_QUIET_S, _SHORT_ATTACK_S = 1.0, 1.0
_CONNECTIONS = 4
_LARGE = 1_000
"""Participants of a large session."""
_CYCLE_MS = 1_000
_LOOK_EVERY_S = 0.5
_A_DAY_MS = 86_400_000
_PATIENCE_S = 60.0
_CHILD = Path(__file__).with_name("attacking.py")
_DEFAULTS = {
    "WEB_WORKERS": "2",
    "RATE_LIMIT_GENERAL": "600/m",
    "RATE_LIMIT_SWITCH": "10/s",
    "RATE_LIMIT_CREATE": "60/m",
    "RATE_LIMIT_CONNECT": "120/m",
    "SYNCKAIROS_SESSIONS_PER_OWNER": "1000",
    "SYNCKAIROS_SESSIONS_PER_SERVICE": "100000",
    "SYNCKAIROS_SELF_RUNNING_PER_OWNER": "30",
    "SYNCKAIROS_SELF_RUNNING_PER_SERVICE": "3000",
    "SYNCKAIROS_RECORD_BYTES_PER_PERSON": "67108864",
}
WHO = {
    **dict.fromkeys(
        ("long_handshakes", "half_heads", "strange_ids", "strange_tokens", "long_logins", "documents"), "stranger"
    ),
    **dict.fromkeys(
        ("empty_participants", "long_batches", "dear_bodies", "reconnects", "credentials", "large_batches"), "viewer"
    ),
    **dict.fromkeys(("kept_answers", "self_running"), "customer"),
}


class Effect(Struct, frozen=True):
    """What an attack has done to others."""

    attack: str
    quiet_p99_ms: float
    p99_ms: float
    failed: int
    """Of the others' switches."""
    grown_mib: float
    """The largest growth of a process."""
    store_mib: float
    overdue_ms: float
    """The longest that a deadline was overdue when looked at."""
    seen: dict[str, int]


class Target:
    """The stack under attack, over its doors."""

    def __init__(self, stack: Stack, root: Path, python: str) -> None:
        self.stack, self._root, self._python = stack, root, python
        host, port = stack.url.removeprefix("http://").rsplit(":", 1)
        self.host, self.port = host, int(port)
        self.store = redis.Redis(unix_socket_path=str(stack.socket_path), socket_timeout=_PATIENCE_S)

    def token(self, subject: str, *flags: str) -> str:
        """Return a new access token of a person, as text; `flags` are options of `manage.py issue_token`."""
        env = {**os.environ, **self.stack.child_environment()}
        command = [self._python, "manage.py", "issue_token", subject, *flags]
        done = subprocess.run(command, cwd=self._root, env=env, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def post(self, path: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer."""
        with closing(HTTPConnection(self.host, self.port, timeout=_PATIENCE_S)) as connection:
            head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), head)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")

    def games(self, number: int, token: str, participants: int = 2, **more: Any) -> list[str]:
        """Running sessions; as many as the stack lets this person have."""
        made: list[str] = []
        for _ in range(number):
            seats = [{"participant_id": str(uuid4()), "total_time_ms": _A_DAY_MS} for _ in range(participants)]
            body = {"sync_mode": "per_participant", "participants": seats, **more}
            status, answer = self.post("/v1/sessions", token, body)
            if status != HTTPStatus.CREATED:
                break
            session_id = answer["data"]["session_id"]
            if self.post(f"/v1/sessions/{session_id}/start", token, {})[0] == HTTPStatus.OK:
                made.append(session_id)
        return made

    def memory_mib(self) -> dict[int, float]:
        """Resident memory of each process but the store."""
        found: dict[int, float] = {}
        for pid, words in processes_of(self.stack).items():
            if "--unixsocket" not in words:
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                found[pid] = resident * os.sysconf("SC_PAGE_SIZE") / 2**20
        return found

    def store_mib(self) -> float:
        """What the store holds."""
        return float(self.store.info("memory")["used_memory"]) / 2**20

    def overdue_ms(self) -> float:
        """How long the longest overdue deadline is."""
        seconds, us = self.store.time()
        first: Any = self.store.zrange("sk:{0}:deadlines", 0, 0, withscores=True)
        return max(0.0, seconds * 1000 + us / 1000 - first[0][1]) if first else 0.0


def _told(target: Target, attack: str, seconds: float) -> dict[str, Any]:
    """What the attacker has: nothing, a viewer's token, or sessions of its own."""
    told: dict[str, Any] = {"attack": attack, "host": target.host, "port": target.port, "seconds": seconds}
    if WHO[attack] == "stranger":
        return told
    name = f"mallory-{attack}"
    token = target.token(name)
    told |= {"token": token}
    if attack == "self_running":
        cycles = {"sync_mode": "per_cycle", "time_per_cycle_ms": _CYCLE_MS, "action_on_timeout": {"type": "skip_cycle"}}
        for number in range(3):  # the limit of creations is each person's
            mate = token if not number else target.token(f"{name}-{number}")
            told["sessions"] = target.games(50, mate, _LARGE, **cycles)
    elif attack in {"large_batches", "kept_answers", "reconnects", "credentials"}:
        told["sessions"] = target.games(50 if attack == "large_batches" else 20, token, _LARGE)
    return told


class Others:
    """Those who are not attacked, and should not notice."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._token = target.token("others", "--service")
        self._games = target.games(GAMES, self._token)

    async def switch(self, seconds: float) -> Round:
        """Their switches, at a steady rate."""
        asked = [self._switches(place) for place in range(_CONNECTIONS)]
        return await ask_at(self._target.host, self._target.port, asked, PER_S, seconds)

    def _switches(self, place: int) -> Iterator[bytes]:
        fields = ("Host: localhost", f"Authorization: Bearer {self._token}", "Content-Length: 0", "", "")
        while True:
            for game in self._games[place::_CONNECTIONS]:
                yield "\r\n".join([f"POST /v1/sessions/{game}/switch HTTP/1.1", *fields]).encode()


async def _watch(target: Target, found: dict[str, float]) -> None:
    """The largest figures, as often as looked at."""
    before, store = target.memory_mib(), target.store_mib()
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        grown = max((now - before[pid] for pid, now in target.memory_mib().items() if pid in before), default=0.0)
        found["grown"] = max(found["grown"], grown)
        found["store"] = max(found["store"], target.store_mib() - store)
        found["overdue"] = max(found["overdue"], target.overdue_ms())


async def _attacked(target: Target, attack: str, others: Others, *, is_short: bool) -> Effect:
    quiet_s, attack_s = (_SHORT_QUIET_S, _SHORT_ATTACK_S) if is_short else (QUIET_S, ATTACK_S)
    quiet = await others.switch(quiet_s)
    found = {"grown": 0.0, "store": 0.0, "overdue": 0.0}
    watching = asyncio.create_task(_watch(target, found))
    await asyncio.sleep(0)
    told = await asyncio.to_thread(_told, target, attack, attack_s)
    attacker = await asyncio.create_subprocess_exec(
        *("nice", "-n", "19", sys.executable, str(_CHILD)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    asked = asyncio.create_task(attacker.communicate(json.dumps(told).encode() + b"\n"))
    during = await others.switch(attack_s)
    output, _ = await asked
    watching.cancel()
    return Effect(
        attack,
        percentile(quiet.latencies_ms, 0.99),
        percentile(during.latencies_ms, 0.99),
        len(during.refused),
        found["grown"],
        found["store"],
        found["overdue"],
        json.loads(output),
    )


async def measure(target: Target, attacks: list[str], *, is_short: bool) -> int:
    """Each attack on a stack that has just come to rest; gives 1 when one could not be made."""
    others = Others(target)
    await others.switch(1.0)
    columns = (
        "Who",
        "Attack",
        "p99 quiet, ms",
        "attacked",
        "÷",
        "refused",
        "process, MiB",
        "store, MiB",
        "overdue, ms",
    )
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    faults = 0
    for attack in attacks:
        effect = await _attacked(target, attack, others, is_short=is_short)
        figures = [
            effect.quiet_p99_ms,
            effect.p99_ms,
            effect.p99_ms / effect.quiet_p99_ms,
            effect.failed,
            effect.grown_mib,
            effect.store_mib,
            effect.overdue_ms,
        ]
        print(f"| {WHO[attack]} | {attack} | {' | '.join(short(one) for one in figures)} | {effect.seen}", flush=True)
        faults += not effect.seen and attack != "self_running"
        await asyncio.sleep(0 if is_short else 3)
    return int(bool(faults))


def main() -> int:
    """Make the chosen attacks, print their figures, and return the exit status: 1 if one had no effect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a second of each, to see that it works")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout")
    parser.add_argument("--only", action="append", choices=list(ATTACKS), help="this one; repeatable")
    chosen = parser.parse_args()
    root = chosen.root.resolve()
    own = root / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    began_s = time.monotonic()
    with running_stack(root, python, **_DEFAULTS) as stack:
        status = asyncio.run(measure(Target(stack, root, python), chosen.only or list(ATTACKS), is_short=chosen.short))
    print(f"{time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
