"""However a stack ends, nothing stays behind but its data."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import servers
from tests.stacks import Stack

ORPHANS_DIE_WITHIN_S = 60.0


@pytest.fixture
def stack() -> Iterator[Stack]:
    one = Stack()
    try:
        yield one
    finally:
        one.remove()


def test_a_killed_stack_leaves_no_process_and_the_next_goes_on_where_it_was(stack: Stack, game: dict[str, Any]) -> None:
    stack.start().wait_ready()
    with stack.client() as client:
        session_id = client.post("/v1/sessions", json=game).json()["data"]["session_id"]
    password = (stack.data_dir / "admin_password").read_text()
    store = redis.Redis(unix_socket_path=str(stack.data_dir / "valkey.sock"))
    # A store whose disk is busy holds its writes back for up to 2 s (docs/consistency.md).
    servers.wait_until(lambda: not store.info("persistence")["aof_buffer_length"], 30, "the store has written all")
    store.close()
    stack.signal(signal.SIGKILL)
    servers.wait_until(lambda: not stack.processes(), ORPHANS_DIE_WITHIN_S, "the children are gone")
    servers.wait_until(lambda: _is_free(stack.port), ORPHANS_DIE_WITHIN_S, "and the port with them")

    stack.start().wait_ready()
    with stack.client() as client:
        assert client.get(f"/v1/sessions/{session_id}").status_code == 200
        assert password in stack.said()
        code = _close_code_of_a_socket_during(stack, client, session_id)
    assert code in {1001, 1012}, "a client is told to come back"
    assert not stack.processes()
    assert _is_free(stack.port)
    assert not list(stack.data_dir.glob("*.sock"))


def test_a_stack_that_is_told_to_stop_while_it_starts_stops(stack: Stack) -> None:
    stack.start()
    servers.wait_until(lambda: stack.processes("prepare.py"), servers.READY_WITHIN_S, "it has begun")
    assert stack.signal(signal.SIGTERM) == 0
    assert not stack.processes()
    assert "is ready" not in stack.said()


def _close_code_of_a_socket_during(stack: Stack, client: httpx.Client, session_id: str) -> int | None:
    url = f"ws://127.0.0.1:{stack.port}/ws?sessionId={session_id}"
    with connect(url, additional_headers={"Authorization": client.headers["Authorization"]}) as shown:
        shown.recv(timeout=30)
        assert stack.signal(signal.SIGINT) == 0
        with pytest.raises(ConnectionClosed) as closed:
            shown.recv(timeout=30)
    return closed.value.rcvd.code if closed.value.rcvd else None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
