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
_MAX_BYTES = 300
"""Bytes: a name has 253 at most, then comes a port."""
_MAX_CACHED = 64


class AllowedHosts:
    """Judges what stands in `Host`. Good values are remembered, so that a request costs a look into a set."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = [host.lower() for host in allowed]
        self._accepted: set[bytes | None] = {None} if "*" in allowed else set()

    def allows(self, host: bytes | None) -> bool:
        """Whether a request for this name is for us; None is for none at all (HTTP/1.0)."""
        return host in self._accepted or self._check(host)

    def _check(self, host: bytes | None) -> bool:
        if host is None or len(host) > _MAX_BYTES:
            return False
        domain, _ = split_domain_port(host.decode("latin-1"))
        if not (domain and validate_host(domain, self._allowed)):
            return False
        if len(self._accepted) < _MAX_CACHED:
            self._accepted.add(host)
        return True


def configured_hosts() -> list[str]:
    """The names that the operator has listed: Django's, without the one that is always there."""
    names = [*settings.ALLOWED_HOSTS]
    if PROBE_HOST in names:
        names.remove(PROBE_HOST)
    return names


@cache
def hosts() -> AllowedHosts:
    """By the settings in force."""
    return AllowedHosts(configured_hosts())


@receiver(setting_changed)
def _clear_cache(*, setting: str, **_: Any) -> None:
    if setting == "ALLOWED_HOSTS":
        hosts.cache_clear()
