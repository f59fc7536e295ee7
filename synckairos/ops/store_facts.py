"""Facts about the state store: its memory, and whether acknowledged data survive a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from synckairos.conf import conf
from synckairos.redis import client as redis_client

_SECTIONS = ("memory", "persistence")
_KEEPS_ALL = "noeviction"


class StoreNode(Struct, frozen=True):
    """One server that takes writes. None stands for a fact that it does not report."""

    used_bytes: int | None
    counted_bytes: int | None
    """Bytes that count against the limit."""
    max_bytes: int | None
    """The limit in bytes; 0 for none."""
    policy: str | None
    """`maxmemory-policy`, its behaviour at the limit."""
    has_append_only_file: bool | None

    @property
    def is_full(self) -> bool:
        """True when it refuses writes because of its memory limit."""
        return bool(self.max_bytes) and self.policy == _KEEPS_ALL and (self.counted_bytes or 0) > (self.max_bytes or 0)

    @property
    def faults(self) -> list[str]:
        """Reasons, in words, for which it may lose acknowledged data."""
        faults = []
        if self.policy not in {_KEEPS_ALL, None}:
            faults.append(f"maxmemory-policy is {self.policy}: sessions are evicted when memory is short")
        if self.has_append_only_file is False:
            faults.append("appendonly is no: a restart loses all since the last snapshot, or everything")
        return faults


class StoreFacts(Struct, frozen=True):
    """Facts of all masters by name; none when the store forbids INFO, as a managed one may."""

    nodes: dict[str, StoreNode]

    @property
    def is_full(self) -> bool:
        """True when any master is full. Its sessions take no commands."""
        return any(node.is_full for node in self.nodes.values())

    @property
    def faults(self) -> list[str]:
        """Reasons for which the store may lose data, each once."""
        return list(dict.fromkeys(fault for node in self.nodes.values() for fault in node.faults))

    @property
    def is_lossy(self) -> bool | None:
        """True when the store may lose acknowledged data; None when that is unknown."""
        if self.faults:
            return True
        facts = [value for node in self.nodes.values() for value in (node.policy, node.has_append_only_file)]
        return None if not facts or None in facts else False


def store_facts() -> StoreFacts:
    """Read the facts of each master, one round trip each. Raises one of `synckairos.redis.client.ERRORS` when the store
    is away."""
    client = redis_client.blocking_client()
    try:
        if isinstance(client, RedisCluster):
            masters = client.get_primaries()
            return StoreFacts({node.name: _read_node(client.info(*_SECTIONS, target_nodes=node)) for node in masters})
        return StoreFacts({_node_name(): _read_node(client.info(*_SECTIONS))})
    except ResponseError as refusal:
        if redis_client.is_unavailable(refusal):
            raise
        return StoreFacts({})  # the store serves, and INFO is forbidden


def _read_node(info: Mapping[str, Any]) -> StoreNode:
    used = _to_int(info.get("used_memory"))
    aof = info.get("aof_enabled")
    return StoreNode(
        used_bytes=used,
        counted_bytes=None if used is None else used - (_to_int(info.get("mem_not_counted_for_evict")) or 0),
        max_bytes=_to_int(info.get("maxmemory")),
        policy=info.get("maxmemory_policy"),
        has_append_only_file=None if aof is None else bool(aof),
    )


def _to_int(value: Any) -> int | None:
    return None if value is None else int(value)


def _node_name() -> str:
    """Return the address of the one master, without user and password."""
    address = redis_client.StoreUrl(conf().redis_url)
    if address.scheme == "redis+sentinel":
        return address.service
    return conf().redis_url.rpartition("@")[2].rpartition("://")[2]
