"""The documents of the API are rendered once in each process, whoever asks and however."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from asgiref.sync import SyncToAsync
from asgiref.testing import ApplicationCommunicator
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView

from config.asgi import application
from sessions.apidocs import asyncapi, views

DOCUMENTS = ["/api-docs.json", "/api-docs", "/api-docs?script", "/asyncapi.json"]
VARIANTS = [
    {"path": "/api-docs.json?version=2&lang=de"},
    {"path": "/api-docs.json?x=1"},
    {"path": "/api-docs.json", "headers": {"accept": "application/vnd.oai.openapi"}},
    {"path": "/api-docs.json", "headers": {"accept": "text/html", "accept-language": "de"}},
    {"path": "/api-docs.json", "headers": {"host": "localhost:1"}},
    {"path": "/api-docs?version=7&lang=fr"},
    {"path": "/api-docs?script=7&version=7"},
    {"path": "/asyncapi.json?x"},
]


@pytest.fixture
def times(monkeypatch):
    """How often each document has been made, in a process that has made none."""
    counted = dict.fromkeys(("openapi", "page", "asyncapi"), 0)

    def counting(name, of, attribute):
        inner = getattr(of, attribute)

        def counted_call(*args, **kwargs):
            counted[name] += 1
            return inner(*args, **kwargs)

        monkeypatch.setattr(of, attribute, counted_call)

    counting("openapi", SchemaGenerator, "get_schema")
    counting("page", SpectacularSwaggerSplitView, "get")
    counting("asyncapi", asyncapi, "document")
    for document in (views._DOCUMENT, views._PAGE, views._SCRIPT, asyncapi._DOCUMENT):
        monkeypatch.setattr(document, "cached", None)
    return counted


def test_no_variant_of_a_request_has_a_document_made_again(times):
    for document in DOCUMENTS:
        assert Client().get(document).status_code == 200
    made = dict(times)
    assert made == {"openapi": 1, "page": 2, "asyncapi": 1}
    for variant in VARIANTS:
        plain = Client().get(variant["path"].replace("=7", "").split("?")[0])
        assert Client().get(**variant).status_code == plain.status_code == 200
    assert times == made


def test_many_who_come_at_once_wait_for_one_that_is_made(times):
    together = Barrier(8)

    def ask(_):
        together.wait()
        return Client().get("/api-docs.json").content

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert times["openapi"] == 1


@pytest.mark.parametrize("path", DOCUMENTS)
def test_who_has_a_document_is_not_sent_it_again_by_whatever_process(api, other_api, path):
    first = other_api.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = api.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert api.get(path, headers={"If-None-Match": '"another"'}).content == first.content


def test_the_page_names_its_script_and_its_document_whatever_host_was_asked(api):
    page = api.get("/api-docs", params={"lang": "x"}, headers={"Host": "localhost"}).text
    assert '<script src="/api-docs?script="></script>' in page
    assert "docs.json" in api.get("/api-docs?script=").text
    assert api.get("/api-docs?script=").headers["content-type"].startswith("application/javascript")


@pytest.fixture
def threads(monkeypatch):
    """The names of what is called in a thread while a request is answered."""
    called = []
    inner = SyncToAsync.__call__

    async def counted_call(self, *args, **kwargs):
        called.append(repr(self.func))
        return await inner(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted_call)
    return called


async def _answer(path, method="GET", *fields):
    """Status, header fields and body as the application gives them."""
    path, _, query = path.partition("?")
    asker = ApplicationCommunicator(
        application,
        {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), *fields],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
        },
    )
    await asker.send_input({"type": "http.request", "body": b""})
    start, body, has_more = await asker.receive_output(30), b"", True
    while has_more:
        part = await asker.receive_output(30)
        body, has_more = body + part.get("body", b""), part.get("more_body", False)
    await asker.wait(30)
    return start["status"], [(name.lower(), value) for name, value in start["headers"]], body


_OF_A_REQUEST = {b"x-request-id", b"content-length"}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_that_is_rendered_takes_no_thread_and_has_the_same_answer(path, times, threads):
    first = asyncio.run(_answer(path))
    assert threads
    threads.clear()
    again = asyncio.run(_answer(path))
    assert threads == []
    assert (again[0], again[2]) == (first[0], first[2]) == (200, first[2])
    assert all(len({name for name, _ in fields}) == len(fields) for fields in (first[1], again[1]))
    assert {(n, v) for n, v in again[1] if n not in _OF_A_REQUEST} == {
        (n, v) for n, v in first[1] if n not in _OF_A_REQUEST
    }
    tag = dict(again[1])[b"etag"]
    assert asyncio.run(_answer(path, "GET", (b"if-none-match", tag)))[0] == 304
    assert threads == []
    assert asyncio.run(_answer(path, "POST"))[0] == 405
