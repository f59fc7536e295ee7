"""Factory of all Redis clients: every timeout and retry is set here.

URLs: `redis://`, `rediss://`, `unix://`; `redis+sentinel://host:port,host:port/service/db`;
`redis+cluster://host:port,host:port`.
"""

from __future__ import annotations

import asyncio
import threading
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from synckairos.conf import conf
from synckairos.errors import ServiceUnavailable, StoreFull
from synckairos.redis.pipelined_connection import PipelinedConnection

BlockingClient: TypeAlias = Any
"""redis.Redis or redis.RedisCluster, which have the same commands and no common type."""
AsyncClient: TypeAlias = Any

UNAVAILABLE = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError, ClusterDownError)
"""Exceptions that mean that the store is temporarily unavailable."""
_UNAVAILABLE_CODES = frozenset({"MISCONF", "NOREPLICAS", "MASTERDOWN", "TRYAGAIN", "UNKILLABLE", "BUSY"})
"""Error codes (the first word of an error reply, by protocol) that mean that too and have no class in redis-py."""
_WRITE_REFUSED_CODES = frozenset({"MISCONF", "NOREPLICAS"})
"""Error codes of a master that serves reads, and refuses writes for lack of disk or replicas."""


ERRORS = (RedisError, RedisClusterException)
"""Base classes of all exceptions of a client; those of a Cluster have a base of their own."""


def is_unavailable(error: Exception) -> bool:
    """Return true when an error means that the store is temporarily unavailable, not that a command was wrong."""
    return isinstance(error, (*UNAVAILABLE, RedisClusterException)) or _code_of(error) in _UNAVAILABLE_CODES


def is_full(error: Exception) -> bool:
    """Return true when an error means that the store is out of memory (`maxmemory` with `noeviction`)."""
    return isinstance(error, OutOfMemoryError)


def is_write_refused(error: Exception) -> bool:
    """Return true when an error means that the store serves reads and refuses writes."""
    return is_full(error) or _code_of(error) in _WRITE_REFUSED_CODES


def _code_of(error: Exception) -> str:
    return str(error).partition(" ")[0]


def as_service_unavailable(error: Exception) -> ServiceUnavailable | None:
    """Return the API error for an unavailable store; None when the command was wrong."""
    if is_full(error):
        return StoreFull()
    return ServiceUnavailable() if is_unavailable(error) else None


CONNECT_TIMEOUT_S = 1.0
SOCKET_TIMEOUT_S = 2.0
POOL_WAIT_S = 2.0
POOL_SIZE = 64
_SINGLE_SERVER_SCHEMES = frozenset({"redis", "rediss", "unix"})
"""URL schemes of a single server."""
RETRIES = 2
_HEALTH_CHECK_S = 15
_PORT = 6379


class StoreUrl:
    """A parsed store URL. Raises ValueError for a malformed one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.scheme = parts.scheme
        self.password = unquote(parts.password) if parts.password else None
        path = [piece for piece in parts.path.split("/") if piece]
        if self.scheme in {"redis+sentinel", "redis+cluster"}:
            self.nodes = [_host_port(node) for node in parts.netloc.rpartition("@")[2].split(",")]
        else:
            options = redis.connection.parse_url(url)  # raises ValueError for a malformed URL
            self.password = self.password or options.get("password")
            self.nodes = [] if parts.scheme == "unix" else [(parts.hostname or "localhost", parts.port or _PORT)]
        if self.scheme == "redis+sentinel":
            self.service = path[0] if path else "mymaster"
            self.db = int(path[1]) if len(path) > 1 else 0
        self.credentials: dict[str, Any] = {
            "username": unquote(parts.username) if parts.username else None,
            "password": self.password,
        }


def _host_port(node: str) -> tuple[str, int]:
    host, _, port = node.rpartition(":")
    return host, int(port)


_COMMON_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
    "health_check_interval": _HEALTH_CHECK_S,
    "protocol": 2,
}
"""Options of every client that is made here."""


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=0.05, cap=0.4)


def _sentinel_client(library: Any, address: StoreUrl, options: dict[str, Any]) -> Any:
    sentinel = library.sentinel.Sentinel(address.nodes, sentinel_kwargs={"socket_timeout": CONNECT_TIMEOUT_S})
    return sentinel.master_for(address.service, db=address.db, **address.credentials, **options)


def make_client(url: str) -> BlockingClient:
    """Return a new blocking client with a pool of its own."""
    return _make_client(url, redis, Retry)


def make_async_client(url: str) -> AsyncClient:
    """Return a new client for the running event loop with a pool of its own."""
    return _make_client(url, redis.asyncio, AsyncRetry)


def _make_client(url: str, library: Any, retry: Any) -> Any:
    address = StoreUrl(url)
    options = {
        **_COMMON_OPTIONS,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "retry": retry(_backoff(), RETRIES, (RedisConnectionError,)),
    }
    if address.scheme == "redis+cluster":
        nodes = [library.cluster.ClusterNode(host, port) for host, port in address.nodes]
        return library.RedisCluster(startup_nodes=nodes, **address.credentials, **options)
    # A lost connection is retried at once. A timeout is not: a caller would wait for each attempt.
    options["retry_on_error"] = [RedisConnectionError]
    if address.scheme == "redis+sentinel":
        return _sentinel_client(library, address, options)
    pool = library.BlockingConnectionPool.from_url(url, max_connections=POOL_SIZE, timeout=POOL_WAIT_S, **options)
    return library.Redis.from_pool(pool)


def make_pubsub_client(url: str) -> AsyncClient:
    """Return a client for one subscription, without a read timeout. Any node of a Cluster receives all messages."""
    address = StoreUrl(url)
    if address.scheme == "redis+cluster":
        host, port = address.nodes[0]
        return redis.asyncio.Redis(host=host, port=port, **address.credentials, **_COMMON_OPTIONS)
    if address.scheme == "redis+sentinel":
        return _sentinel_client(redis.asyncio, address, _COMMON_OPTIONS)
    return redis.asyncio.Redis.from_url(url, **_COMMON_OPTIONS)


def channel_layer_hosts(url: str) -> list[Any]:
    """Return the `hosts` setting of the channel layer. Any node of a Cluster carries all pub/sub messages."""
    address = StoreUrl(url)
    if address.scheme == "redis+sentinel":
        sentinel = {"sentinels": address.nodes, "master_name": address.service, "db": address.db}
        return [sentinel | address.credentials]
    if address.scheme == "redis+cluster":
        host, port = address.nodes[0]
        return [{"host": host, "port": port, **address.credentials}]
    return [{"address": url, "socket_connect_timeout": CONNECT_TIMEOUT_S, "protocol": 2}]


@lru_cache(maxsize=8)
def _scheme(url: str) -> str:
    return urlsplit(url).scheme


def is_cluster() -> bool:
    """Return true for a Cluster, where the keys of one script must be in one slot."""
    return _scheme(conf().redis_url) == "redis+cluster"


_blocking_clients: dict[str, BlockingClient] = {}
_blocking_lock = threading.Lock()
_async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = WeakKeyDictionary()
_script_runners: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient | PipelinedConnection] = WeakKeyDictionary()
_last_used: tuple[int, asyncio.AbstractEventLoop, AsyncClient | PipelinedConnection] | None = None
"""The runner that was used last, with its thread and its loop."""


def blocking_client() -> BlockingClient:
    """Return the blocking client of this process."""
    url = conf().redis_url
    with _blocking_lock:
        if url not in _blocking_clients:
            _blocking_clients[url] = make_client(url)
        return _blocking_clients[url]


def async_client() -> AsyncClient:
    """Return the client of the running event loop; connections belong to one loop."""
    loop = asyncio.get_running_loop()
    found = _async_clients.get(loop)
    if found is None:
        found = _async_clients[loop] = make_async_client(conf().redis_url)
    return found


def script_runner() -> AsyncClient | PipelinedConnection:
    """Return what runs scripts on the running loop: a PipelinedConnection to a single server, else the client."""
    global _last_used  # noqa: PLW0603 - a process has one loop for long
    latest = _last_used  # other threads have loops too
    # To ask for the running loop is a system call (Python 3.11 makes sure that the process is the same).
    if latest is not None and latest[0] == threading.get_ident() and latest[1].is_running():
        return latest[2]
    loop = asyncio.get_running_loop()
    found = _script_runners.get(loop)
    if found is None:
        client = async_client()
        is_plain = StoreUrl(conf().redis_url).scheme in _SINGLE_SERVER_SCHEMES
        found = _script_runners[loop] = _pipelined_connection(client) if is_plain else client
    _last_used = (threading.get_ident(), loop, found)
    return found


def _pipelined_connection(client: AsyncClient) -> PipelinedConnection:
    pool = client.connection_pool
    # PipelinedConnection retries itself; retries of retries would keep callers waiting.
    options = pool.connection_kwargs | {"retry": AsyncRetry(NoBackoff(), 0), "retry_on_error": []}
    return PipelinedConnection(
        lambda: pool.connection_class(**options),
        timeout_s=SOCKET_TIMEOUT_S,
        retries=RETRIES,
        backoff=_backoff(),
    )


async def close_async_client() -> None:
    """Close the connections of the running loop, at the end of a process or a test."""
    global _last_used  # noqa: PLW0603 - likewise
    _last_used = None
    runner = _script_runners.pop(asyncio.get_running_loop(), None)
    if isinstance(runner, PipelinedConnection):
        runner.close()
    found = _async_clients.pop(asyncio.get_running_loop(), None)
    if found is None:
        return
    await found.aclose()
    pool = getattr(found, "connection_pool", None)
    if isinstance(pool, redis.asyncio.sentinel.SentinelConnectionPool):
        for watcher in pool.sentinel_manager.sentinels:
            await watcher.aclose()
