"""Under which names we are served: SYNCKAIROS_ALLOWED_HOSTS, held at every door, those in front of Django too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http.request import split_domain_port, validate_host

PROBE_HOST = "localhost"
"""The name by which Django knows a caller that asks by address; always one of its ALLOWED_HOSTS."""
_LONGEST = 300
"""Bytes: a name has 253 at most, then comes a port."""
_KEPT = 64


class Hosts:
    """Judges what stands in `Host`. Good values are remembered, so that a request costs a look into a set."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = [host.lower() for host in allowed]
        self._good: set[bytes | None] = {None} if "*" in allowed else set()

    def admits(self, host: bytes | None) -> bool:
        """Whether a request for this name is for us; None is for none at all (HTTP/1.0)."""
        return host in self._good or self._judge(host)

    def _judge(self, host: bytes | None) -> bool:
        if host is None or len(host) > _LONGEST:
            return False
        domain, _ = split_domain_port(host.decode("latin-1"))
        if not (domain and validate_host(domain, self._allowed)):
            return False
        if len(self._good) < _KEPT:
            self._good.add(host)
        return True


def operators() -> list[str]:
    """The names that the operator has listed: Django's, without the one that is always there."""
    names = [*settings.ALLOWED_HOSTS]
    if PROBE_HOST in names:
        names.remove(PROBE_HOST)
    return names


@cache
def hosts() -> Hosts:
    """By the settings in force."""
    return Hosts(operators())


@receiver(setting_changed)
def _forget(*, setting: str, **_: Any) -> None:
    if setting == "ALLOWED_HOSTS":
        hosts.cache_clear()
