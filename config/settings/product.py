"""The product's own settings, as the rooms see them (synckairos/conf.py)."""

from config import environment
from synckairos.conf import Conf
from synckairos.engine.units import Visibility

SYNCKAIROS = Conf(
    redis_url=environment.REDIS_URL,
    shards=environment.SHARDS,
    metrics_port=environment.METRICS_PORT,
    idle_ttl_ms=environment.IDLE_TTL_S * 1000,
    finished_ttl_ms=environment.FINISHED_TTL_S * 1000,
    idempotency_ttl_ms=24 * 3600 * 1000,
    recent_transitions=environment.RECENT_TRANSITIONS,
    rate_general=environment.RATES["RATE_LIMIT_GENERAL"],
    rate_service=environment.RATES["RATE_LIMIT_SERVICE"],
    rate_switch=environment.RATES["RATE_LIMIT_SWITCH"],
    rate_create=environment.RATES["RATE_LIMIT_CREATE"],
    rate_connect=environment.RATES["RATE_LIMIT_CONNECT"],
    rate_token=environment.RATES["RATE_LIMIT_TOKEN"],
    trusted_proxies=environment.TRUSTED_PROXIES.networks,
    trusts_unix_sockets=environment.TRUSTED_PROXIES.unix_sockets,
    max_body_bytes=256 * 1024,
    recovery_events=environment.RECOVERY_EVENTS,
    recovery_age_ms=environment.RECOVERY_AGE_S * 1000,
    max_frame_bytes=environment.MAX_FRAME_BYTES,
    rate_frames=environment.RATES["RATE_LIMIT_FRAMES"],
    sockets_per_principal=environment.SOCKETS_PER_PRINCIPAL,
    sockets_per_session=environment.SOCKETS_PER_SESSION,
    heartbeat_s=environment.HEARTBEAT_S,
    send_timeout_s=environment.SEND_TIMEOUT_S,
    auth_grace_s=environment.AUTH_GRACE_S,
    ticket_ttl_ms=environment.TICKET_TTL_S * 1000,
    drain_s=environment.DRAIN_S,
    default_visibility=Visibility(environment.DEFAULT_VISIBILITY),
    signing_keys=environment.SIGNING_KEYS,
    issuer=environment.ISSUER,
    provider=environment.PROVIDER,
)
