"""Our pages in a real browser, under the policy that they are sent with: they work, and nothing is blocked."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from tests import servers
from tests.chromium import chromium

WATCH = """
var blocked = [];
const note = (event) => blocked.push(event.violatedDirective + " " + event.blockedURI);
document.addEventListener("securitypolicyviolation", note);
"""
WITHIN_S = 60.0
PASSWORD = "correct horse battery staple"


@pytest.fixture
def web(audit_url):
    get_user_model().objects.create_superuser("carol", password=PASSWORD)
    server = servers.web(DATABASE_URL=audit_url)
    yield server.wait_ready()
    server.stop()


def shows(page, expression, what):
    servers.wait_until(lambda: page.ask(expression), WITHIN_S, what)


def test_the_api_docs_and_the_admin_work_and_nothing_is_blocked(web):
    with chromium() as browser:
        page = browser.open(f"{web.url}/api-docs", WATCH)
        shows(page, "document.querySelectorAll('.opblock').length > 10", "the operations are listed")
        assert page.ask("blocked") == []
        page = browser.open(f"{web.url}/admin/login/?next=/admin/", WATCH)
        assert page.ask("blocked") == []
        page.ask(
            "document.querySelector('[name=username]').value = 'carol';"
            f"document.querySelector('[name=password]').value = '{PASSWORD}';"
            "document.querySelector('form').requestSubmit()"
        )
        shows(page, "location.pathname === '/admin/' && document.readyState === 'complete'", "carol is in")
        assert page.ask("getComputedStyle(document.getElementById('header')).display") == "flex"
        assert page.ask("blocked") == []
        for path in ("/admin/auth/user/add/", "/admin/auth/user/"):
            page = browser.open(f"{web.url}{path}", WATCH)
            assert page.ask("blocked") == []
        assert browser.uncaught == []


def test_a_script_in_a_page_is_blocked(web):
    with chromium() as browser:
        page = browser.open(f"{web.url}/api-docs", WATCH)
        page.ask("document.head.append(Object.assign(document.createElement('script'), {text: 'var stolen = 1'}))")
        assert page.ask("typeof stolen") == "undefined"
        assert page.ask("blocked") == ["script-src-elem inline"]
