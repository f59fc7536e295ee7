"""What the server offers for one request: it ends with the request, by itself."""

from __future__ import annotations

import gc
import weakref

import pytest

from synckairos.http.asgi import EXCHANGE_EXTENSION, exchange_of
from synckairos.webserver.exchange import Exchange


class Nobody:
    """No connection."""


NOBODY = Nobody()


class Cycle:
    """As much of Uvicorn's as is asked for."""

    more_body = False

    def __init__(self, scope):
        self.scope = scope


@pytest.fixture
def no_collector():
    gc.disable()
    yield
    gc.enable()


def test_a_request_that_is_over_leaves_nothing_to_the_garbage_collector(no_collector):
    exchange = Exchange(None, None, weakref.ref(NOBODY))
    cycle = Cycle({"extensions": {EXCHANGE_EXTENSION: exchange}})
    exchange.belongs_to(cycle)
    assert exchange_of(cycle.scope).has_arrived()
    ended = weakref.ref(cycle)
    del cycle, exchange
    assert ended() is None


def test_before_the_head_is_there_nothing_has_arrived():
    assert not Exchange(None, None, weakref.ref(NOBODY)).has_arrived()
