"""Answers without a body say nothing of its length (RFC 9110, 8.6), whichever door gives them."""

from __future__ import annotations

import pytest

from tests.raw import Raw


@pytest.fixture
def session_id(api, game):
    return api.post("/v1/sessions", json=game).json()["data"]["session_id"]


@pytest.fixture
def ask(webs, token):
    """The whole head of an answer, as it comes over the wire."""

    def asked(method: str, path: str, *fields: str) -> tuple[int, dict[str, str]]:
        raw = Raw(webs[0])
        try:
            head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}", *fields]
            raw.send("\r\n".join([*head, "", ""]))
            status, told, body = raw.answer()
            assert body is None
            raw.get()  # the connection goes on, and nobody waits for a body that does not come
            assert raw.answer()[0] == 200
            return status, told
        finally:
            raw.close()

    return asked


def says_nothing_of_a_body(told: dict[str, str]) -> bool:
    return not {"content-length", "transfer-encoding"} & set(told)


def test_204_has_no_content_length(ask, api, session_id):
    token_id = api.post(f"/v1/sessions/{session_id}/tokens", json={"role": "viewer"}).json()["data"]["token_id"]
    for path in (f"/v1/sessions/{session_id}/tokens/{token_id}", f"/v1/sessions/{session_id}"):
        status, told = ask("DELETE", path)
        assert (path, status) == (path, 204)
        assert says_nothing_of_a_body(told), path


def test_304_has_no_content_length(ask, api, session_id):
    state, style = f"/v1/sessions/{session_id}", "/static/admin/css/base.css"
    tag, since = api.get(state).headers["etag"], api.get(style).headers["last-modified"]
    unchanged = [
        *((method, state, [f"If-None-Match: {tag}"]) for method in ("GET", "HEAD")),
        *((method, style, [f"If-Modified-Since: {since}"]) for method in ("GET", "HEAD")),
        ("GET", f"{state}/poll?since_version=1&wait_ms=1", []),
    ]
    for method, path, fields in unchanged:
        status, told = ask(method, path, *fields)
        assert (method, path, status) == (method, path, 304)
        assert says_nothing_of_a_body(told), (method, path)


def test_an_answer_to_head_has_that_of_the_body_it_stands_for(api, session_id):
    answered = api.head(f"/v1/sessions/{session_id}")
    assert int(answered.headers["content-length"]) == len(api.get(f"/v1/sessions/{session_id}").content)
