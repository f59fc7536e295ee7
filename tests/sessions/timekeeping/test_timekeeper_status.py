"""`manage.py timekeeper --status`: for people, and by its exit status for scripts."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from sessions.store import store
from synckairos.ops import alive_processes
from synckairos.redis import keys
from synckairos.redis.scripts import send_blocking


def test_it_fails_and_says_so_when_nobody_serves(capsys):
    with pytest.raises(CommandError, match=r"^Nobody serves shard 0"):
        call_command("timekeeper", "--status")
    assert "timekeepers alive: 0" in capsys.readouterr().out


def test_one_shard_without_a_timekeeper_is_enough(configure):
    configure(shards=3)
    for shard in (0, 2):
        send_blocking(store.acquire_lease(shard, "one", 60_000))
    with pytest.raises(CommandError, match=r"^Nobody serves shard 1:"):
        call_command("timekeeper", "--status")


def test_all_is_well_when_each_shard_is_served(capsys):
    send_blocking(alive_processes.report_alive(keys.timekeepers(), "one"))
    send_blocking(store.acquire_lease(0, "one", 60_000))
    call_command("timekeeper", "--status")
    assert "shard 0: served by one" in capsys.readouterr().out
