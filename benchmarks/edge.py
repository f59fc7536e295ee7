"""Slow sockets and idle ones, the long run: `python benchmarks/edge.py [--short]`.

Starts a stack of its own with one web process. First, one session with many sockets: how fast a switch reaches all who
read, with and without 5 % that never do, in turns. Then thousands of sockets that only wait: what each costs, and
whether any is lost. Prints both.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import time
from pathlib import Path

import uvloop
from crowd import Crowd
from stack import ROOT, Stack, running_stack

sys.path.insert(0, str(ROOT / "clients" / "python" / "src"))
from synckairos_client import Api

SLOW_SHARE = 0.05
_SOCKETS_OF_ONE_TOKEN = 500
_STORE_LAG_S = 3.0


def rss_kib(pid: int) -> int:
    """The resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def tokens(number: int) -> list[str]:
    """So many tokens of the one who owns all sessions."""
    from synckairos.auth.principal import mint  # noqa: PLC0415 - needs the attached stack

    return [mint("player", is_staff=False) for _ in range(number)]


async def make_session(api: Api) -> str:
    """A running session of two."""
    seats = [{"participant_id": f"00000000-0000-4000-8000-00000000000{n}", "total_time_ms": 86_400_000} for n in "12"]
    session_id: str = (await api.create({"sync_mode": "per_participant", "participants": seats}))["session_id"]
    await api.start(session_id)
    return session_id


async def round_of(api: Api, crowd: Crowd, session_id: str, switches: int) -> float:
    """Switch, wait until all who read have it, switch again; gives deliveries a second."""
    began_s = time.perf_counter()
    for _ in range(switches):
        awaited = crowd.frames + len(crowd.members)
        await api.switch(session_id)
        await crowd.reach(awaited)
    return switches * len(crowd.members) / (time.perf_counter() - began_s)


async def fan_out(stack: Stack, *, sockets: int, rounds: int, switches: int) -> bool:
    """One session: deliveries to those who read, with and without those who do not."""
    person = tokens(1)[0]
    web = stack.pid_of("web")
    slow = int(sockets * SLOW_SHARE)
    with_slow, without = [], []
    async with Api(stack.url, person) as api:
        session_id = await make_session(api)
        crowd = Crowd(stack.url)
        await crowd.open([(session_id, person)] * (sockets - slow))
        await round_of(api, crowd, session_id, switches)
        before_kib = rss_kib(web)
        most_kib = 0
        for _ in range(rounds):
            mutes = [await crowd.open_mute(session_id, person) for _ in range(slow)]
            await round_of(api, crowd, session_id, 5 + 30)  # until nothing more fits on their way
            with_slow.append(await round_of(api, crowd, session_id, switches))
            most_kib = max(most_kib, rss_kib(web))
            for mute in mutes:
                mute.close()
            await asyncio.sleep(0.5)
            without.append(await round_of(api, crowd, session_id, switches))
        crowd.leave()
    ratio = statistics.median(with_slow) / statistics.median(without)
    print(f"one session, {sockets} sockets, {slow} of them never reading, {rounds} rounds of {switches} switches")
    print(f"  deliveries a second to the others: {statistics.median(with_slow):,.0f} with, "
          f"{statistics.median(without):,.0f} without the slow ones: ratio {ratio:.2f}")  # fmt: skip
    print(f"  web process: {before_kib / 1024:.1f} MiB before, at most {most_kib / 1024:.1f} MiB with them")
    return crowd.lost <= len(crowd.members) + (sockets - slow)


async def idle(stack: Stack, *, sockets: int, sessions: int, for_s: float) -> bool:
    """Sockets that wait: memory of each, and how many are lost."""
    people = tokens(-(-sockets // _SOCKETS_OF_ONE_TOKEN))
    web = stack.pid_of("web")
    async with Api(stack.url, people[0]) as api:
        made = [await make_session(api) for _ in range(sessions)]
    crowd = Crowd(stack.url)
    await asyncio.sleep(_STORE_LAG_S)
    before_kib = rss_kib(web)
    began_s = time.perf_counter()
    await crowd.open([(made[n % sessions], people[n // _SOCKETS_OF_ONE_TOKEN]) for n in range(sockets)])
    opened_s = time.perf_counter() - began_s
    await asyncio.sleep(_STORE_LAG_S)
    each_kib = (rss_kib(web) - before_kib) / sockets
    cpu_before_s = stack.cpu_seconds_of("web")
    await asyncio.sleep(for_s)
    cpu = (stack.cpu_seconds_of("web") - cpu_before_s) / for_s * 100
    later_kib = (rss_kib(web) - before_kib) / sockets
    lost = crowd.lost
    crowd.leave()
    print(f"{sockets} idle sockets of {sessions} sessions on one process, opened in {opened_s:.1f} s")
    print(f"  {each_kib:.1f} KiB each, {later_kib:.1f} KiB after {for_s:g} s; {lost} lost; {cpu:.1f} % of one core")
    return not lost


async def measure(stack: Stack, *, is_short: bool, idle_s: float) -> bool:
    """Both; False when any socket was lost that should not have been."""
    good = await fan_out(stack, sockets=100 if is_short else 1_000, rounds=2 if is_short else 5, switches=40)
    if is_short:
        return await idle(stack, sockets=200, sessions=50, for_s=2) and good
    return await idle(stack, sockets=10_000, sessions=2_500, for_s=idle_s) and good


def main() -> int:
    """Measure; gives 1 when a socket was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small numbers, to see that it works")
    parser.add_argument("--idle-s", type=float, default=300.0, help="how long the idle sockets wait (300)")
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for the stack too, which inherits it
    with running_stack(SYNCKAIROS_SOCKETS_PER_PRINCIPAL="off", SYNCKAIROS_SOCKETS_PER_SESSION="off") as stack:
        stack.attach()
        is_good = uvloop.run(measure(stack, is_short=chosen.short, idle_s=chosen.idle_s))
    return int(not is_good)


if __name__ == "__main__":
    sys.exit(main())
