"""Settings of the product: one typed object, built in config/ and read with `conf()`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from msgspec import Struct
from msgspec.structs import force_setattr

from synckairos.auth.signing_keys import KeyRing
from synckairos.engine.units import Visibility


class Rate(Struct, frozen=True):
    """A rate of `limit` requests in each `period_ms`, spread out or as a burst."""

    limit: int
    period_ms: int
    interval_us: int = 0
    """Microseconds between two requests at the steady rate; follows from the other two."""

    def __post_init__(self) -> None:
        force_setattr(self, "interval_us", max(self.period_ms * 1000 // self.limit, 1))


class IdentityProvider(Struct, frozen=True):
    """The integrator's identity provider, whose tokens are accepted."""

    issuer: str
    audience: str
    jwks_url: str
    subject_prefix: str
    """Prefix of its subjects, which keeps them different from subjects of this service."""
    staff_claim: str | None
    """The claim that is `true` for staff; None when the provider names no staff."""


class Conf(Struct, frozen=True, kw_only=True):
    """Settings of the product. All defaults work on one machine; docs/operations.md lists the environment variables."""

    redis_url: str
    lossy_store_allowed: bool
    """True to start on a store that may lose acknowledged data."""
    shards: int
    """Number of hash tags that spread the keys. Fixed for the life of a store."""
    metrics_host: str
    """The address of the metrics of timekeeper and worker, which serve no other requests."""
    metrics_port: int | None
    """The port of these metrics; None to serve none."""
    idle_ttl_ms: int
    """Time after the last activity at which a session without a deadline is abandoned."""
    unattended_ttl_ms: int
    """Time after the last view, read or command at which a session that runs by itself is abandoned."""
    paused_ttl_ms: int
    """Time after its last transition at which a paused session is abandoned."""
    finished_ttl_ms: int
    """Time for which a finished session can be read."""
    idempotency_ttl_ms: int = 24 * 3600 * 1000
    """Time for which a repeated Idempotency-Key gets the first answer."""
    record_bytes_per_person: int | None
    """Bytes of stored answers of one person in a day; None for no limit."""
    record_bytes_per_service: int | None
    """Bytes of stored answers of one service account in a day; None for no limit."""
    recent_transitions: int
    """Number of commits kept with a session, for recovery and for proof after a lost reply."""
    # Rate limits; None switches a limit off. Their table is synckairos/ratelimit/policies.py.
    rate_general: Rate | None
    """Requests of one person, or of one address without valid credentials."""
    rate_service: Rate | None
    """Requests of one service account."""
    rate_switch: Rate | None
    """Switches of one session."""
    rate_create: Rate | None
    """Creations of one person."""
    rate_connect: Rate | None
    """Sockets and streams opened by one person."""
    rate_token: Rate | None
    """Logins and refreshes of one address, and of one name."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    """Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are used."""
    trusts_unix_sockets: bool
    """True to use these fields of peers on Unix sockets."""
    cors_origins: tuple[str, ...]
    """Origins whose pages may read responses and open sockets; `*` for all."""
    cors_local: bool
    """True to accept pages of this machine on any port, for development."""
    admin: bool
    """True to serve the admin."""
    api_docs: bool
    """True to serve the documents of the API."""
    log_addresses_whole: bool
    """True to log addresses of refused clients unchanged, false to log keyed hashes."""
    address_key: bytes
    """Key of the hashed addresses."""
    audit_key: bytes
    """Key of the hashes of addresses, user agents and clients' keys in the audit."""
    personal_metadata: tuple[str, ...]
    """Keys of metadata that may name persons; `*` for all keys."""
    metrics_token: str | None
    """The bearer token of `/metrics`; None without one."""
    metrics_open: bool
    """True to serve `/metrics` to everybody when there is no token. Otherwise it is not served."""
    max_body_bytes: int = 256 * 1024
    """Size limit of a request body."""
    max_address_bytes: int = 16 * 1024
    """Size limit of path and query string together."""
    max_headers: int = 100
    """Largest number of header lines of a request."""
    max_head_bytes: int = 32 * 1024
    """Size limit of the head of a request: address and headers."""
    head_timeout_s: float
    """Time in which the head of a request must arrive."""
    body_timeout_s: float
    """Time in which the body of a request must arrive."""
    keep_alive_s: int
    """Idle time of a connection between two requests."""
    recovery_events: int
    """Largest number of missed events sent to a returning client. One that missed more gets only the state."""
    recovery_age_ms: int
    """Age limit of events sent to a returning client."""
    max_frame_bytes: int
    """Size limit of a client's WebSocket message."""
    rate_frames: Rate | None
    """WebSocket frames of one socket, with pings and fragments."""
    sockets_per_principal: int | None
    """Open sockets, streams and polls of one person in one process; None for no limit."""
    sockets_per_session: int | None
    """Open sockets, streams and polls of one session in one process; None for no limit."""
    sessions_per_owner: int | None
    """Unfinished sessions of one person; None for no limit."""
    sessions_per_service: int | None
    """Unfinished sessions of one service account; None for no limit."""
    self_running_per_owner: int | None
    """Unfinished sessions of one person that switch by themselves when a clock runs out; None for no limit."""
    self_running_per_service: int | None
    """Such sessions of one service account; None for no limit."""
    heartbeat_s: float
    """Time between two pings of a socket. Clients may ask for more, up to HEARTBEAT_MAX_S."""
    send_timeout_s: float
    """Time after which a socket that reads nothing is closed."""
    auth_grace_s: float
    """Time in which a socket with expired credentials may send fresh ones."""
    ticket_ttl_ms: int
    """Validity of a one-time ticket."""
    lame_duck_s: float
    """Time for which an ending web process serves on, unready, before it stops accepting."""
    drain_s: float
    """Time over which it then closes its sockets."""
    metadata_index: tuple[str, ...] = ()
    """Keys of the metadata by whose values sessions can be listed."""
    influx_token: str | None = None
    """Token for the InfluxDB that exports are sent to; None without one."""
    default_visibility: Visibility
    """Visibility of a session whose creation does not set it."""
    checkpoint_dir: Path | None
    """Directory of the audit's checkpoints; None for no checkpoints."""
    signing_keys: KeyRing
    """Keys of the tokens of this service. The first signs, all verify."""
    issuer: str
    """Issuer of the tokens of this service."""
    provider: IdentityProvider | None
    """The identity provider whose tokens are accepted; None without one."""


HEARTBEAT_MAX_S = 300.0
"""The longest interval between pings that a client may request, in seconds."""


_cached: Conf | None = None


def conf() -> Conf:
    """Return the current settings."""
    return _cached or _read()


def _read() -> Conf:
    global _cached  # noqa: PLW0603 - Django's lazy settings cost more than the code that reads them
    _cached = settings.SYNCKAIROS
    return _cached


@receiver(setting_changed)
def _clear_cache(*, setting: str, **_kwargs: Any) -> None:
    """Clear the cache when a test changes the settings."""
    global _cached  # noqa: PLW0603 - as above
    if setting == "SYNCKAIROS":
        _cached = None
