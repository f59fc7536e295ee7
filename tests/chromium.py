"""A headless Chromium for the tests, driven by the DevTools protocol: no driver program, no further library."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests import servers

NAMES = ("chromium", "chromium-browser", "google-chrome")
START_WITHIN_S = 60.0
ANSWER_WITHIN_S = 60.0
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"),
    # Nothing but our own servers is asked for anything.
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-breakpad", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
    # A page behind another window keeps its pace.
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),
)


class Browser:
    """A running browser; one thing at a time."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.uncaught: list[str] = []

    def call(self, method: str, of: str | None = None, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, to the browser or to one of its pages. Uncaught errors of pages are kept."""
        called = next(self._ids)
        page = {} if of is None else {"sessionId": of}
        self._connection.send(json.dumps({"id": called, "method": method, "params": parameters, **page}))
        while True:
            message = json.loads(self._connection.recv(ANSWER_WITHIN_S))
            if message.get("method") == "Runtime.exceptionThrown":
                self.uncaught.append(str(message["params"]["exceptionDetails"]))
            if message.get("id") == called:
                assert "error" not in message, (method, message["error"])
                result: dict[str, Any] = message["result"]
                return result

    def open(self, address: str, before: str = "") -> Page:
        """A new window at this address; the script `before` runs ahead of the page's own."""
        target = self.call("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"], target)
        for domain in ("Page", "Runtime"):
            self.call(f"{domain}.enable", page.name)
        self.call("Page.addScriptToEvaluateOnNewDocument", page.name, source=before)
        self.call("Page.navigate", page.name, url=address)
        servers.wait_until(
            lambda: page.ask("document.readyState") == "complete", ANSWER_WITHIN_S, f"{address} is loaded"
        )
        return page


class Page:
    """One window."""

    def __init__(self, browser: Browser, name: str, target: str) -> None:
        self._browser = browser
        self.name = name
        self._target = target

    def ask(self, expression: str) -> Any:
        """The value of an expression, or of its promise."""
        options = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self._browser.call("Runtime.evaluate", self.name, expression=expression, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def close(self) -> None:
        """Close the window."""
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own. Without one installed the test skips, or fails if REQUIRE_BROWSER is set."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        absent = pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip
        absent(f"none of {', '.join(NAMES)} is installed")
    with tempfile.TemporaryDirectory(prefix="synckairos-browser-") as profile:
        child = servers.Child([program, *OPTIONS, f"--user-data-dir={profile}"], env={"HOME": profile}).start()
        try:
            with connect(_devtools(child, Path(profile)), proxy=None) as connection:
                yield Browser(connection)
                connection.send(json.dumps({"id": 0, "method": "Browser.close"}))
                assert child.process is not None
                child.process.wait(ANSWER_WITHIN_S)
        finally:
            child.stop(signal.SIGKILL)


def _devtools(child: servers.Child, profile: Path) -> str:
    """Where the browser listens; it writes that as its port and a path, a line each."""
    written = profile / "DevToolsActivePort"

    def lines() -> list[str]:
        return written.read_text().split() if written.exists() else []

    try:
        servers.wait_until(lambda: len(lines()) == 2, START_WITHIN_S, "the browser listens")
    except AssertionError as late:
        raise AssertionError(f"{late}\n{child.output()}") from None
    port, path = lines()
    return f"ws://127.0.0.1:{port}{path}"
