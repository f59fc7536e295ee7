"""Accepted values of the Host header (SYNCKAIROS_ALLOWED_HOSTS), for endpoints in front of Django too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http.request import split_domain_port, validate_host

PROBE_HOST = "localhost"
"""Host that replaces the IP address in a probe's request; always one of Django's ALLOWED_HOSTS."""
_MAX_BYTES = 300
"""Longest Host in bytes: a name has at most 253, then a port follows."""
_MAX_CACHED = 64


class AllowedHosts:
    """Checks values of the Host header. Accepted values are cached, so a request costs one lookup in a set."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = [host.lower() for host in allowed]
        self._accepted: set[bytes | None] = {None} if "*" in allowed else set()

    def allows(self, host: bytes | None) -> bool:
        """Return true for an accepted host. None stands for a missing header (HTTP/1.0)."""
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
    """Return the hosts that the operator has listed: Django's ALLOWED_HOSTS without PROBE_HOST."""
    names = [*settings.ALLOWED_HOSTS]
    if PROBE_HOST in names:
        names.remove(PROBE_HOST)
    return names


@cache
def hosts() -> AllowedHosts:
    """Return the checker for the settings in force."""
    return AllowedHosts(configured_hosts())


@receiver(setting_changed)
def _clear_cache(*, setting: str, **_: Any) -> None:
    if setting == "ALLOWED_HOSTS":
        hosts.cache_clear()
