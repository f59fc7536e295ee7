"""A live clock in a real browser, through presses, a restart of its server and a wrong device clock."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest

from sessions.services import sessions as service
from synckairos.engine.commands import Switch
from synckairos.redis.procedures import run_blocking
from tests import servers
from tests.chromium import chromium
from tests.clocked import ALICE
from tests.conftest import bearer

PAGES = Path(__file__).parent / "browser"
WITHIN_S = 60.0
UNNOTICED_MS = 500
"""What a page may be off by in a browser that is slow to paint."""

# Before the page's own script: keep the true clock, all sockets, frames and closes, and every version ever shown.
WATCH = """
var trueNow = Date.now.bind(Date), sockets = [], frames = [], closes = [], versions = [];
WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    this.made_at_ms = trueNow();
    sockets.push(this);
    this.addEventListener("message", ({ data }) => frames.push(data));
    this.addEventListener("close", ({ code, reason }) => closes.push({ code, reason, at_ms: trueNow() }));
  }
};
addEventListener("DOMContentLoaded", () => {
  const clock = document.getElementById("clock");
  const note = (changes) => versions.push(...changes.map((change) => change.oldValue), clock.dataset.version);
  new MutationObserver(note).observe(clock, { attributeFilter: ["data-version"], attributeOldValue: true });
});
"""
PONGS = """frames.filter((text) => JSON.parse(text).type === "PONG").length"""
FIRST_PINGS = 5
# The device's clock goes wrong.
SEVEN_SECONDS_FAST = """
for (const clock of [Date, performance]) {
  const right = clock.now.bind(clock);
  clock.now = () => right() + 7000;
}
"""
# The active participant's time at the moment it is drawn.
READING = """
new Promise((done) => new MutationObserver((_, observer) => {
  const active = document.querySelector("li[data-active][data-remaining-ms]");
  if (active === null) return;
  observer.disconnect();
  done({ at_ms: trueNow(), remaining_ms: Number(active.dataset.remainingMs) });
}).observe(document.getElementById("clock"), { subtree: true, attributeFilter: ["data-remaining-ms"] }))
"""


class Pages(SimpleHTTPRequestHandler):
    """The page's own server, on another origin than the clock's."""

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=PAGES))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/clock.html"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def web():
    """A web process of our own, which a test may stop and start again."""
    server = servers.web().wait_ready()
    yield server
    server.stop()


@pytest.fixture
def http(web, token):
    with httpx.Client(base_url=web.url, headers=bearer(token), timeout=30, verify=False) as client:
        yield client


@pytest.fixture
def session_id(http, game):
    created = http.post("/v1/sessions", json=game).json()["data"]["session_id"]
    http.post(f"/v1/sessions/{created}/start")
    return created


@pytest.fixture
def open_screen(browser, address, web, session_id, token):
    """Opens windows that show the running clock; no script in them may fail."""
    fragment = urlencode({"server": web.ws_url, "session": session_id, "token": token})
    opened = []

    def open_one(before=""):
        page = browser.open(f"{address}#{fragment}", WATCH + before)
        opened.append(page)
        servers.wait_until(lambda: "offsetMs" in shown(page), WITHIN_S, "the page shows the clock")
        return page

    yield open_one
    for page in opened:
        page.close()
    assert not browser.uncaught


def shown(page):
    """What the page says in its attributes."""
    return page.ask("({...clock.dataset, active: document.querySelector('[data-active]')?.dataset.participantId})")


def stored(http, session_id):
    """The state as the server tells it."""
    return http.get(f"/v1/sessions/{session_id}").json()["data"]


def assert_right(reading, state):
    """The page agrees with the server, whose clock is this machine's."""
    since_ms = reading["at_ms"] - state["server_time_ms"]
    assert reading["remaining_ms"] == pytest.approx(state["time_remaining_ms"] - since_ms, abs=UNNOTICED_MS)


def test_a_page_connects_with_the_sub_protocol_and_shows_the_session(web, http, session_id, open_screen):
    page = open_screen()
    assert page.ask("sockets[0].protocol") == "synckairos.v2"
    assert page.ask("sockets[0].url") == f"{web.ws_url}/ws?sessionId={session_id}"
    state = stored(http, session_id)
    seen = shown(page)
    assert (seen["connection"], seen["status"], seen["version"]) == ("open", "running", str(state["version"]))
    assert seen["active"] == state["active_participant_id"]
    ids = page.ask("Array.from(document.querySelectorAll('li'), (item) => item.dataset.participantId)")
    assert ids == [participant["participant_id"] for participant in state["participants"]]


def test_the_clock_in_the_page_runs_as_the_servers_does(http, session_id, open_screen):
    page = open_screen()
    first = page.ask(READING)
    servers.wait_until(lambda: page.ask("trueNow()") > first["at_ms"] + 2 * UNNOTICED_MS, WITHIN_S, "time passes")
    second = page.ask(READING)
    elapsed_ms = second["at_ms"] - first["at_ms"]
    assert first["remaining_ms"] - second["remaining_ms"] == pytest.approx(elapsed_ms, abs=UNNOTICED_MS)
    assert_right(second, stored(http, session_id))


def test_a_page_on_a_device_whose_clock_is_wrong_shows_the_right_time(http, session_id, open_screen):
    page = open_screen(before=SEVEN_SECONDS_FAST)
    assert page.ask("Date.now() - trueNow()") == pytest.approx(7_000, abs=UNNOTICED_MS)
    assert_right(page.ask(READING), stored(http, session_id))
    assert int(shown(page)["offsetMs"]) == pytest.approx(-7_000, abs=UNNOTICED_MS)


def test_a_switch_pressed_in_a_page_reaches_the_server_and_another_page(http, session_id, open_screen):
    pressed, other = open_screen(), open_screen()
    before = stored(http, session_id)
    pressed.ask("document.getElementById('switch').click()")
    version = before["version"] + 1
    servers.wait_until(lambda: shown(other)["version"] == str(version), 30, "the other page shows the switch")
    state = stored(http, session_id)
    assert state["version"] == version
    assert state["active_participant_id"] == shown(other)["active"] != before["active_participant_id"]


def test_an_older_state_that_arrives_late_is_not_shown(http, session_id, open_screen):
    page = open_screen()
    version = http.post(f"/v1/sessions/{session_id}/switch").json()["data"]["version"]
    servers.wait_until(lambda: shown(page)["version"] == str(version), WITHIN_S, "the page shows the switch")
    page.ask("sockets[0].dispatchEvent(new MessageEvent('message', { data: frames[0] }))")
    assert shown(page)["version"] == str(version)


def test_a_page_whose_session_is_deleted_shows_that_and_does_not_come_back(http, session_id, open_screen):
    page = open_screen()
    http.delete(f"/v1/sessions/{session_id}")
    servers.wait_until(lambda: shown(page)["connection"] == "ended", WITHIN_S, "the page is told")
    assert shown(page)["status"] == "none"
    assert page.ask("sockets.length") == 1


def test_a_page_comes_back_by_itself_after_a_restart_of_its_server_and_never_shows_an_older_version(
    web, http, session_id, open_screen
):
    page = open_screen()
    # A frame that comes while its server closes the socket breaks the connection, and the reason is lost.
    servers.wait_until(lambda: page.ask(PONGS) >= FIRST_PINGS, WITHIN_S, "the first PINGs are answered")
    state = stored(http, session_id)
    assert web.stop() == 0
    try:
        servers.wait_until(lambda: shown(page)["connection"] == "waiting", WITHIN_S, "the page has lost its server")
        assert_right(page.ask(READING), state)  # the clock runs on
        for _ in range(3):
            newest = run_blocking(service.execute(UUID(session_id), Switch(), ALICE)).state.version
    finally:
        web.start()
    servers.wait_until(lambda: shown(page)["version"] == str(newest), servers.READY_WITHIN_S, "the page is back")
    assert shown(page)["connection"] == "open"
    assert_right(page.ask(READING), stored(http, session_id))
    versions = [int(version) for version in page.ask("versions") if version]
    assert versions == sorted(versions)
    assert versions[-1] == newest
    sent_away = page.ask("closes[0]")
    assert sent_away["code"] == 1012
    asked_ms = int(sent_away["reason"].partition("retry_ms=")[2])
    assert page.ask("sockets[1].made_at_ms") - sent_away["at_ms"] >= asked_ms - 2
