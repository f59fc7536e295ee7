"""Many screens on a bad network while the store drops the layer's connections: all are right when it is over."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from audit.models import SyncEvent
from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos_client import connect
from tests import servers
from tests.bad_network import Network, Weather, network_to
from tests.conftest import bearer
from tests.outboxes import drained
from tests.stormy import Hasty, View, check_screens, content

EXACT_WITHIN_S = 60.0
TOLD_WITHIN_S = 60.0
"""A question without an answer is asked again after 3 s."""
LEFT_WITHIN_S = 60.0
FIERCE = Weather(trouble_every_s=2.0, stall_s=(0.3, 1.5), refusal_every_s=(1.0, 2.5))
_RECORD = re.compile(r"^(?=\x1b|\{|\d{4}-)", re.MULTILINE)
_TROUBLE = re.compile(r"Traceback|task failed|handler failed|clean-up failed|not understood|went back")


@dataclass
class Storm:
    """Sessions with two players and two who look on, all behind one network."""

    webs: list[servers.Web]
    sessions: int
    for_s: float
    kill_every_s: tuple[float, float]
    seed: int
    weather: Weather
    views: list[View] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)
    """The version of the last switch of each session."""
    counts: Counter[str] = field(default_factory=Counter)
    exact_after_s: float = 0.0

    async def run(self) -> None:
        """All of it: create, connect, storm, calm, leave."""
        games = self._create()
        async with (
            network_to([web.port for web in self.webs], self.seed, self.weather) as network,
            AsyncExitStack() as open_,
        ):
            await asyncio.gather(*(self._look_at(network, open_, *game) for game in games))
            await self._rage(network)
            self.counts.update(network.counts)
        await self._all_have_left()

    def _create(self) -> list[tuple[str, list[str]]]:
        games = []
        with httpx.Client(
            base_url=self.webs[0].url, headers=bearer(mint("host", is_staff=False)), verify=False
        ) as http:
            for _ in range(self.sessions):
                players = [str(uuid4()), str(uuid4())]
                seats = [{"participant_id": player, "total_time_ms": 86_400_000} for player in players]
                body = {"sync_mode": "per_participant", "participants": seats, "visibility": "public"}
                session_id = http.post("/v1/sessions", json=body).json()["data"]["session_id"]
                assert http.post(f"/v1/sessions/{session_id}/start").status_code == httpx.codes.OK
                games.append((session_id, players))
        return games

    async def _look_at(self, network: Network, open_: AsyncExitStack, session_id: str, players: list[str]) -> None:
        for place, player in enumerate([*players, None, None]):
            token = mint(player or f"viewer {place}", is_staff=player is not None)  # who may switch out of turn
            rng = Hasty(f"{self.seed} {len(self.views)}")
            view = View(session_id, player, connect(network.url, session_id, token, rng=rng))
            view.listen()
            self.views.append(view)
            await open_.enter_async_context(view.screen)

    async def _rage(self, network: Network) -> None:
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(view.follow()) for view in self.views]
            watching.append(group.create_task(self._sample()))
            ends_s = time.monotonic() + self.for_s
            players = [
                group.create_task(view.play(lambda: time.monotonic() < ends_s, random.Random(f"{self.seed} {place}")))
                for place, view in enumerate(self.views)
                if view.player
            ]
            await asyncio.gather(network.storm(self.for_s), self._kill(ends_s))
            await asyncio.wait_for(asyncio.gather(*players), EXACT_WITHIN_S)
            await asyncio.to_thread(self._speak_last)
            await self._become_exact(time.monotonic())
            await self._until(lambda: [v for v in self.views if not v.is_told()], TOLD_WITHIN_S, "screens lack events")
            for task in watching:
                task.cancel()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            for view in self.views:
                view.look()

    async def _kill(self, ends_s: float) -> None:
        """The store drops connections: mostly those that listen, now and then all others."""
        rng = random.Random(f"{self.seed} kills")
        while (left_s := ends_s - time.monotonic()) > 0:
            await asyncio.sleep(min(rng.uniform(*self.kill_every_s), left_s))
            kind = rng.choice(("pubsub", "pubsub", "pubsub", "normal"))
            killed = await asyncio.to_thread(redis_client.blocking_client().client_kill_filter, _type=kind)
            self.counts[f"{kind} kills"] += 1
            self.counts["connections killed"] += killed

    def _speak_last(self) -> None:
        """One more switch in every session while nobody listens: only the position check can bring it."""
        redis_client.blocking_client().client_kill_filter(_type="pubsub")
        with httpx.Client(
            base_url=self.webs[0].url, headers=bearer(mint("host", is_staff=False)), verify=False
        ) as http:
            for session_id in {view.session_id for view in self.views}:
                answer = http.post(f"/v1/sessions/{session_id}/switch").json()["data"]
                self.last[session_id] = answer["version"]

    async def _become_exact(self, calm_s: float) -> None:
        stored = await asyncio.to_thread(self._stored)

        def wrong() -> list[View]:
            return [view for view in self.views if content(view.screen.state) != stored[view.session_id]]

        await self._until(wrong, calm_s + EXACT_WITHIN_S - time.monotonic(), "screens are not exact")
        self.exact_after_s = time.monotonic() - calm_s

    def _stored(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        for web in self.webs:
            with httpx.Client(base_url=web.url, headers=bearer(mint("host", is_staff=False)), verify=False) as http:
                ids = {view.session_id for view in self.views}
                found.append({key: content(http.get(f"/v1/sessions/{key}").json()["data"]) for key in ids})
        assert found[0] == found[1]
        return found[0]

    async def _until(self, missing: Callable[[], list[View]], within_s: float, what: str) -> None:
        ends_s = time.monotonic() + within_s
        while still := missing():
            if time.monotonic() > ends_s:
                lines = [f"{v.session_id} at {v.screen.version}, connected: {v.screen.is_connected}" for v in still]
                raise AssertionError(f"{len(still)} {what}:\n" + "\n".join(lines))
            await asyncio.sleep(0.02)

    async def _all_have_left(self) -> None:
        """Nobody is here: no sockets, and nobody listens for any session."""
        await self._none(lambda: [web.url for web in self.webs if measured(web, "synckairos_sockets")], "sockets")
        await self._none(self._listened, "subscriptions")

    def _listened(self) -> list[str]:
        sessions = {keys.group_channel(UUID(view.session_id)): view.session_id for view in self.views}
        return [
            sessions[name.decode()] for name, count in redis_client.blocking_client().pubsub_numsub(*sessions) if count
        ]

    async def _none(self, remaining: Callable[[], list[str]], what: str) -> None:
        ends_s = time.monotonic() + LEFT_WITHIN_S
        while still := await asyncio.to_thread(remaining):
            if time.monotonic() > ends_s:
                raise AssertionError(f"nobody is here, but there are {what}: {still}")
            await asyncio.sleep(0.05)


def measured(web: servers.Web, name: str) -> int:
    """A metric of one process, all its labels together."""
    text = httpx.get(f"{web.url}/metrics", timeout=30).text
    return round(sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)))


def troubles(said: str) -> list[str]:
    """The log records that tell of a fault of ours."""
    records = _RECORD.split(said)
    return [record for record in records if _TROUBLE.search(record)]


def check_history(views: list[View], last: dict[str, int]) -> None:
    """Every acknowledged switch is in the audit once, and no other."""
    drained()
    rows = SyncEvent.objects.order_by("session_id", "sequence").values_list(
        "session__session_id", "version", "type", "principal"
    )
    history: dict[str, list[tuple[int, str, str]]] = {}
    for session_id, *event in rows:
        history.setdefault(str(session_id), []).append(tuple(event))
    for session_id, events in history.items():
        assert [event[:2] for event in events[:2]] == [(1, "session.created"), (2, "session.started")]
        acked = [(v, "cycle.switched", view.player) for view in views_of(views, session_id) for v in view.acked]
        acked.append((last[session_id], "cycle.switched", "host"))
        assert events[2:] == sorted(acked), "the history is not what was acknowledged"
        answers = [versions for view in views_of(views, session_id) for versions in view.answers.values()]
        assert all(len(versions) == 1 for versions in answers), "a repeated command got another answer"
        assert len(set().union(*answers)) == len(answers), "two commands got one answer"
    assert history.keys() == {view.session_id for view in views}


def views_of(views: list[View], session_id: str) -> list[View]:
    """The screens of one session."""
    return [view for view in views if view.session_id == session_id]


def weathered(webs: list[servers.Web], capsys: Any, **options: Any) -> None:
    """A storm, and everything that must hold after it."""
    names = ("synckairos_socket_faults_total", "synckairos_socket_resyncs_total", "synckairos_idempotent_replays_total")
    before = [len(web.output()) for web in webs], [sum(measured(web, name) for web in webs) for name in names]
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    storm = Storm(webs, seed=seed, **options)
    asyncio.run(storm.run())
    views = storm.views
    check_screens(views)
    check_history(views, storm.last)
    said = [web.output()[start:] for web, start in zip(webs, before[0], strict=True)]
    assert not [record for text in said for record in troubles(text)]
    faults, resyncs, replays = (
        sum(measured(web, name) for web in webs) - old for name, old in zip(names, before[1], strict=True)
    )
    assert not faults
    with capsys.disabled():
        print(
            f"\nbad network, seed {seed}, {options['for_s']:g} s: {len(views)} clients, "
            f"{sum(len(view.acked) for view in views)} switches, {dict(sorted(storm.counts.items()))}; "
            f"{sum(view.connections - 1 for view in views)} reconnects, {replays} commands answered again, "
            f"{resyncs} sessions brought up to date by the check, "
            f"{sum(view.resyncs for view in views)} resynced screens; "
            f"exact {storm.exact_after_s:.2f} s after"
        )


@pytest.mark.usefixtures("transactional_db")
def test_every_screen_is_right_after_a_short_storm(webs, capsys):
    weathered(webs, capsys, sessions=4, for_s=6.0, kill_every_s=(0.5, 1.5), weather=FIERCE)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("transactional_db")
def test_200_screens_are_right_after_two_minutes_of_storm(webs, capsys):
    weathered(webs, capsys, sessions=50, for_s=120.0, kill_every_s=(2.0, 5.0), weather=Weather())
