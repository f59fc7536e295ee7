"""Lists and exports of a large audit, on the PostgreSQL of DATABASE_URL: `python benchmarks/scale.py lists`.

`fill` empties the tables and fills them with a million sessions and a million events; `lists` prints how long each list
takes; `exports` prints duration, size and largest memory of each export. The database is meant for nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SYNCKAIROS_METADATA_INDEX", "game_id,room")

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from audit.exports.table import FORMATS  # noqa: E402
from audit.listing import Filters, page_of_sessions  # noqa: E402
from audit.models import SyncSession  # noqa: E402
from synckairos.engine.units import Status, SyncMode  # noqa: E402

REPEATS = 5
ONLY_WITH_EVENTS = ("--created-to", "2026-01-03T07:33:21")
"""The first fiftieth of the sessions, which have the events."""

SESSIONS = """
INSERT INTO audit_syncsession (session_id, epoch, sync_mode, status, version, cycle_number, total_time_ms, running_ms,
  created_by, owner, visibility, created_at, updated_at, started_at, completed_at, deleted_at)
SELECT gen_random_uuid(), '00000001',
  CASE WHEN i %% 1000 = 7 THEN 'count_up' WHEN i %% 50 = 9 THEN 'global' WHEN i %% 10 = 3 THEN 'per_group'
    ELSE 'per_participant' END,
  CASE WHEN i > %(sessions)s - 2000 THEN 'running' WHEN i %% 5000 = 1 THEN 'paused' WHEN i %% 5003 = 2 THEN 'pending'
    WHEN i %% 100 = 3 THEN 'cancelled' WHEN i %% 40 = 4 THEN 'expired' ELSE 'completed' END,
  50, 25, 600000, 300000, owner, owner, 'private', at, at + interval '10 min', at, at + interval '10 min',
  CASE WHEN i %% 20 = 5 THEN at + interval '1 hour' END
FROM (
  SELECT i, CASE WHEN i %% 5 < 3 THEN 'service' ELSE 'u' || i * 7919 %% 50000 END AS owner,
    timestamptz '2026-01-01' + i * interval '10 s' AS at
  FROM generate_series(1::bigint, %(sessions)s) AS i
) AS made
"""
PARTICIPANTS = """
INSERT INTO audit_syncparticipant (session_id, participant_id, participant_index, user_id, total_time_ms, time_used_ms,
  cycle_count, has_expired, version, created_at)
SELECT id, gen_random_uuid(), seat,
  CASE WHEN seat = 0 AND id %% 20 = 0 THEN 'bot' ELSE 'u' || (id * 31 + seat * 17) %% 50000 END,
  600000, 300000, 25, false, 50, created_at
FROM audit_syncsession, generate_series(0, 1) AS seat
"""
LABELS = """
INSERT INTO audit_synclabel (session_id, key, value, created_at)
SELECT id, key, CASE WHEN key = 'game_id' THEN 'g' || id WHEN id %% 10 < 4 THEN 'lobby' ELSE 'r' || id %% 1000 END,
  created_at
FROM audit_syncsession, unnest(ARRAY['game_id', 'room']) AS key
"""
COMMITS = """
INSERT INTO audit_synccommit (session_id, since_version, version, command_id, committed_at, principal, role, door,
  request_id, client_key, address, user_agent, previous, digest, body, salts)
SELECT id, n - 1, n, '\\x00', created_at + n * interval '1 s', 'u1', 'participant', 'socket',
  gen_random_uuid()::text, '\\x00', '\\x00', '\\x00', NULL, NULL, NULL, '\\x00'
FROM (SELECT id, created_at FROM audit_syncsession ORDER BY id LIMIT %(sessions)s / 50) AS chosen,
  generate_series(1, 50) AS n
"""
EVENTS = """
INSERT INTO audit_syncevent (session_id, sequence, version, type, at, committed_at, data, principal, request_id,
  commit_version)
SELECT session_id, version, version, 'cycle.switched', committed_at, committed_at,
  jsonb_build_object('from_participant_id', gen_random_uuid(), 'to_participant_id', gen_random_uuid(),
    'on_timeout', false, 'turn_ms', 1234, 'left_ms', 500000, 'earned_ms', 0, 'progress', NULL, 'gained_ms', 0,
    'penalty_points', 0, 'lag', NULL),
  principal, request_id, version
FROM audit_synccommit
"""

SHOWN = {
    "all": (Filters(), None),
    "running": (Filters(status=Status.RUNNING), None),
    "completed": (Filters(status=Status.COMPLETED), None),
    "pending": (Filters(status=Status.PENDING), None),
    "mode, frequent": (Filters(mode=SyncMode.PER_PARTICIPANT), None),
    "mode, rare": (Filters(mode=SyncMode.COUNT_UP), None),
    "mode of no session": (Filters(mode=SyncMode.PER_CYCLE), None),
    "mode and status, both rare": (Filters(mode=SyncMode.COUNT_UP, status=Status.RUNNING), None),
    "user": (Filters(user_id="u77"), None),
    "user with 50 000 sessions": (Filters(user_id="bot"), None),
    "user with 50 000 sessions, running": (Filters(user_id="bot", status=Status.RUNNING), None),
    "user with 50 000 sessions, pending": (Filters(user_id="bot", status=Status.PENDING), None),
    "user with 50 000 sessions, rare mode": (Filters(user_id="bot", mode=SyncMode.COUNT_UP), None),
    "label, of one session": (Filters(label=("game_id", "g77")), None),
    "label, of 400 000": (Filters(label=("room", "lobby")), None),
    "label, of 400 000, running": (Filters(label=("room", "lobby"), status=Status.RUNNING), None),
    "label, of 400 000, pending": (Filters(label=("room", "lobby"), status=Status.PENDING), None),
    "label, of 400 000, rare mode": (Filters(label=("room", "lobby"), mode=SyncMode.COUNT_UP), None),
    "label of 400 000 and user with 50 000": (Filters(label=("room", "lobby"), user_id="bot"), None),
    "label of 400 000 and user": (Filters(label=("room", "lobby"), user_id="u77"), None),
    "mine": (Filters(), "u77"),
    "mine, running": (Filters(status=Status.RUNNING), "u77"),
    "mine, with 600 000": (Filters(), "service"),
    "mine, with 600 000, running": (Filters(status=Status.RUNNING), "service"),
    "mine, with 600 000, pending": (Filters(status=Status.PENDING), "service"),
    "mine, with 600 000, rare mode": (Filters(mode=SyncMode.COUNT_UP), "service"),
    "mine, with 600 000, and user": (Filters(user_id="u77"), "service"),
    "mine, with 600 000, and user with 50 000": (Filters(user_id="bot"), "service"),
    "mine, with 600 000, and label": (Filters(label=("game_id", "g77")), "service"),
    "mine, with 600 000, and label of 400 000": (Filters(label=("room", "lobby")), "service"),
    "mine, with 50 000 seats, label of 400 000": (Filters(label=("room", "lobby")), "bot"),
}


def fill(sessions: int) -> None:
    """Fill the empty tables."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("TRUNCATE audit_syncsession RESTART IDENTITY CASCADE")
        for statement in (SESSIONS, PARTICIPANTS, LABELS, COMMITS, EVENTS):
            started_s = time.monotonic()
            cursor.execute(statement, {"sessions": sessions})
            print(f"{cursor.rowcount:>9} {statement.split()[2]} in {time.monotonic() - started_s:.0f} s")
        cursor.execute("VACUUM ANALYZE")


def lists() -> None:
    """Print for each list the longest and the median time of the first page and of one in the middle."""
    middle = SyncSession.objects.order_by("pk").values_list("created_at", "pk")[SyncSession.objects.count() // 2]
    for name, (filters, person) in SHOWN.items():
        cells = []
        for after in (None, middle):
            taken = []
            for _ in range(REPEATS):
                started_s = time.perf_counter()
                found = page_of_sessions(filters, person, after, 50)
                taken.append((time.perf_counter() - started_s) * 1000)
            cells.append(f"{max(taken):7.1f} {statistics.median(taken):7.1f} ms {len(found.sessions):>3}")
        print(f"{name:<44}", *cells, sep=" | ")


def exports() -> None:
    """Print what each export takes, in a process of its own."""
    with TemporaryDirectory() as directory:
        for name in [name for name in FORMATS if name != "pgn"]:  # these events are no game
            path = Path(directory) / name
            options = ("--format", name, "--output", str(path), *ONLY_WITH_EVENTS)
            command = [sys.executable, "manage.py", "audit_export", *options]
            started_s = time.monotonic()
            process = subprocess.Popen(command, cwd=ROOT)
            _, status, usage = os.wait4(process.pid, 0)
            taken_s = time.monotonic() - started_s
            assert status == 0
            print(
                f"{name:<8} {taken_s:6.1f} s, {path.stat().st_size / 1e6:6.0f} MB, "
                f"memory {usage.ru_maxrss / 1024:.0f} MiB, processor {usage.ru_utime + usage.ru_stime:.0f} s"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fill", "lists", "exports"))
    parser.add_argument("--sessions", type=int, default=1_000_000)
    given = parser.parse_args()
    if given.what == "fill":
        fill(given.sessions)
    else:
        {"lists": lists, "exports": exports}[given.what]()


if __name__ == "__main__":
    main()
