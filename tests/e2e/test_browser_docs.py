"""`/api-docs` as its reader uses it: "Try it out", "Execute", from top to bottom; nothing is typed but a token."""

from __future__ import annotations

import json

import pytest

from synckairos.auth.principal import mint
from tests import servers
from tests.chromium import chromium

WITHIN_S = 60.0
TRIED = ["createSession", "startSession", "switchSession", "adjustParticipant", "getSession", "deleteSession"]
"""One of each form; tests/contracts/test_contract_examples.py sends all that the page would."""
BLOCKS = "[...document.querySelectorAll('.opblock')].map((block) => block.id)"


@pytest.mark.timeout(300)
def test_whoever_presses_execute_from_top_to_bottom_always_succeeds(webs):
    token = mint("reader", is_staff=False)
    with chromium() as browser:
        page = browser.open(f"{webs[0].url}/api-docs")

        def wait(expression, what):
            return servers.wait_until(lambda: page.ask(expression), WITHIN_S, what)

        wait("document.querySelectorAll('.opblock').length > 20", "the operations are listed")
        page.ask(f"void ui.preauthorizeApiKey('bearer', {json.dumps(token)})")
        statuses = {}
        for block in page.ask(BLOCKS):
            name = block.rpartition("-")[2]
            if name not in TRIED:
                continue
            here = f"document.getElementById({json.dumps(block)})"
            page.ask(f"{here}.querySelector('.opblock-summary-control').click()")
            wait(f"{here}.querySelector('.try-out__btn') !== null", f"{name} is open")
            page.ask(f"{here}.querySelector('.try-out__btn').click()")
            wait(f"{here}.querySelector('.execute') !== null", f"{name} can be tried")
            page.ask(f"{here}.querySelector('.execute').click()")
            shown = f"{here}.querySelector('.live-responses-table .response .response-col_status')?.textContent"
            statuses[name] = str(wait(shown, f"{name} is answered"))[:3]
            page.ask(f"{here}.querySelector('.opblock-summary-control').click()")
        assert list(statuses) == TRIED
        assert not {name: status for name, status in statuses.items() if status not in {"200", "201", "204"}}
