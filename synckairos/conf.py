"""What the rooms may know of the settings: one typed object, built in config/ and read through `conf()`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from msgspec import Struct
from msgspec.structs import force_setattr

from synckairos.auth.signing_keys import KeyRing
from synckairos.engine.units import Visibility


class Rate(Struct, frozen=True):
    """`limit` requests in each `period_ms`, as a burst or spread out."""

    limit: int
    period_ms: int
    interval_us: int = 0
    """Microseconds between two requests at the steady rate; follows from the other two."""

    def __post_init__(self) -> None:
        force_setattr(self, "interval_us", max(self.period_ms * 1000 // self.limit, 1))


class IdentityProvider(Struct, frozen=True):
    """The integrator's own identity provider, whose tokens are good here too."""

    issuer: str
    audience: str
    jwks_url: str
    subject_prefix: str
    """Stands before its subjects, so that none can be one of ours."""
    staff_claim: str | None
    """The claim that makes staff of who has it as `true`; None when the provider makes no staff."""


class Conf(Struct, frozen=True, kw_only=True):
    """Settings of the product. Each default works on a laptop; docs/operations.md lists the variables."""

    redis_url: str
    lossy_store_allowed: bool
    """Whether to start on a store that may lose what it has acknowledged."""
    shards: int
    """Number of hash tags that the keys are spread over; fixed for the life of a store."""
    metrics_host: str
    """The address on which the timekeeper and the worker, which serve nothing else, show their metrics."""
    metrics_port: int | None
    """And the port; None for nowhere."""
    idle_ttl_ms: int
    """How long after the last sign of life a session is let go, when it has no deadline."""
    unattended_ttl_ms: int
    """How long after it one is that goes on by itself, while nobody watches, reads or commands it."""
    paused_ttl_ms: int
    """How long after its last transition one is that is paused."""
    finished_ttl_ms: int
    """How long a finished session can still be read."""
    idempotency_ttl_ms: int
    """How long a command with an Idempotency-Key is answered with its first answer."""
    record_bytes_per_person: int | None
    """Bytes of such answers that are kept for one person in a day; None for no limit."""
    record_bytes_per_service: int | None
    """The same of a service account."""
    recent_transitions: int
    """How many commits are kept beside a session, for recovery and for proof of a lost reply."""
    # Rate limits; None switches a limit off. Their table is synckairos/ratelimit/policies.py.
    rate_general: Rate | None
    """Requests of each person, or of each address without good credentials."""
    rate_service: Rate | None
    """Requests of each service account."""
    rate_switch: Rate | None
    """Switches of each session."""
    rate_create: Rate | None
    """Sessions that each person creates."""
    rate_connect: Rate | None
    """Sockets and streams that each person opens."""
    rate_token: Rate | None
    """Logins and refreshes of each address, and of each name."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    """Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    trusts_unix_sockets: bool
    """Whether that of a peer on a Unix socket is."""
    cors_origins: tuple[str, ...]
    """Origins whose pages may read our answers and open sockets; `*` for all."""
    cors_local: bool
    """Whether pages of this machine, on whatever port, count as listed: in development."""
    admin: bool
    """Whether the admin is served."""
    api_docs: bool
    """Whether the documents of the API are."""
    log_addresses_whole: bool
    """Whether the log tells the addresses of those who are turned away, or keyed hashes of them."""
    address_key: bytes
    """The key of these."""
    metrics_token: str | None
    """The bearer token that `/metrics` asks for; None for none."""
    metrics_open: bool
    """Whether `/metrics` answers anybody; without a token and closed, it answers nobody."""
    max_body_bytes: int
    """Largest request body."""
    max_address_bytes: int
    """Longest path and query string together."""
    max_headers: int
    """Most header lines of a request."""
    max_head_bytes: int
    """Largest head of a request: address and headers."""
    head_timeout_s: float
    """How long the head of a request may take to arrive."""
    body_timeout_s: float
    """How long its body may take."""
    keep_alive_s: int
    """How long a connection may be idle between two requests."""
    recovery_events: int
    """Most events that a client which comes back is sent; one that has missed more gets the state alone."""
    recovery_age_ms: int
    """Events older than this are not sent to a client which comes back."""
    max_frame_bytes: int
    """Largest WebSocket message of a client."""
    rate_frames: Rate | None
    """WebSocket frames of each socket, protocol pings and fragments included."""
    sockets_per_principal: int | None
    """Open sockets, streams and polls of one person in one process; None for no limit."""
    sockets_per_session: int | None
    """The same of one session."""
    sessions_per_owner: int | None
    """Sessions of one person that have not ended; None for no limit."""
    sessions_per_service: int | None
    """The same of a service account."""
    self_running_per_owner: int | None
    """Of those, the ones that switch by themselves when a clock runs out."""
    self_running_per_service: int | None
    """The same of a service account."""
    heartbeat_s: float
    """Between two pings to a socket; a client may ask for more, up to HEARTBEAT_MAX_S."""
    send_timeout_s: float
    """How long a socket may take nothing of what waits for it."""
    auth_grace_s: float
    """How long a socket whose credentials have expired may still send fresh ones."""
    ticket_ttl_ms: int
    """How long a one-time ticket for a socket is good."""
    lame_duck_s: float
    """How long a web process that ends goes on serving, unready, before it stops to accept."""
    drain_s: float
    """Over how long it sends its sockets away then."""
    default_visibility: Visibility
    """Who may read a session whose creator does not say."""
    signing_keys: KeyRing
    """Sign our tokens; the first signs, all verify."""
    issuer: str
    """Who our tokens say has made them."""
    provider: IdentityProvider | None
    """Who else's tokens are good."""


HEARTBEAT_MAX_S = 300.0
"""The longest interval between pings that a client may ask for."""


_cached: Conf | None = None


def conf() -> Conf:
    """The settings in force."""
    return _cached or _read()


def _read() -> Conf:
    global _cached  # noqa: PLW0603 - Django's lazy settings cost more than the code that reads them
    _cached = settings.SYNCKAIROS
    return _cached


@receiver(setting_changed)
def _clear_cache(*, setting: str, **_kwargs: Any) -> None:
    """A test has other settings."""
    global _cached  # noqa: PLW0603 - as above
    if setting == "SYNCKAIROS":
        _cached = None
