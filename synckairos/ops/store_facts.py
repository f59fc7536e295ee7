"""What the state store says of itself: its memory, and whether what it has taken is there after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from synckairos.conf import conf
from synckairos.redis import client as stores

_SECTIONS = ("memory", "persistence")
_KEEPS_ALL = "noeviction"


class StoreNode(Struct, frozen=True):
    """One server that takes writes. None stands for what it does not say."""

    used_bytes: int | None
    counted_bytes: int | None
    """What of it counts against the limit."""
    max_bytes: int | None
    """0 for no limit."""
    policy: str | None
    """`maxmemory-policy`: what it does when it is full."""
    has_append_only_file: bool | None

    @property
    def is_full(self) -> bool:
        """Whether it refuses writes for want of memory."""
        return bool(self.max_bytes) and self.policy == _KEEPS_ALL and (self.counted_bytes or 0) > (self.max_bytes or 0)

    @property
    def faults(self) -> list[str]:
        """How it may lose what it has acknowledged, in words."""
        faults = []
        if self.policy not in {_KEEPS_ALL, None}:
            faults.append(f"maxmemory-policy is {self.policy}: sessions are evicted when memory is short")
        if self.has_append_only_file is False:
            faults.append("appendonly is no: a restart loses all since the last snapshot, or everything")
        return faults


class StoreFacts(Struct, frozen=True):
    """All masters by name; none when the store will not say (a managed one may forbid INFO)."""

    nodes: dict[str, StoreNode]

    @property
    def is_full(self) -> bool:
        """Whether any of them is: sessions that live there take no commands."""
        return any(node.is_full for node in self.nodes.values())

    @property
    def faults(self) -> list[str]:
        """How it may lose data; each once, however many nodes have it."""
        return list(dict.fromkeys(fault for node in self.nodes.values() for fault in node.faults))

    @property
    def is_lossy(self) -> bool | None:
        """Whether it may lose what it has acknowledged; None when it does not say."""
        if self.faults:
            return True
        said = [value for node in self.nodes.values() for value in (node.policy, node.has_append_only_file)]
        return None if not said or None in said else False


def store_facts() -> StoreFacts:
    """Ask each master, one round trip each. Raises one of `synckairos.redis.client.FAULTS` when the store is away."""
    client = stores.client()
    try:
        if isinstance(client, RedisCluster):
            masters = client.get_primaries()
            return StoreFacts({node.name: _read_node(client.info(*_SECTIONS, target_nodes=node)) for node in masters})
        return StoreFacts({_node_name(): _read_node(client.info(*_SECTIONS))})
    except ResponseError as refusal:
        if stores.is_away(refusal):
            raise
        return StoreFacts({})  # it answers, but not to this


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
    """Of the one master: where it is, without user and password."""
    address = stores.Address(conf().redis_url)
    if address.scheme == "redis+sentinel":
        return address.service
    return conf().redis_url.rpartition("@")[2].rpartition("://")[2]
