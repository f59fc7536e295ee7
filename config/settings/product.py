"""The product's own settings, as the rooms see them (synckairos/conf.py)."""

from config import environment
from synckairos.conf import Conf

SYNCKAIROS = Conf(
    redis_url=environment.REDIS_URL,
    shards=environment.SHARDS,
    metrics_port=environment.METRICS_PORT,
    idle_ttl_ms=environment.IDLE_TTL_S * 1000,
    finished_ttl_ms=environment.FINISHED_TTL_S * 1000,
    idempotency_ttl_ms=24 * 3600 * 1000,
    recent_transitions=environment.RECENT_TRANSITIONS,
    rate_general=environment.RATE_GENERAL,
    rate_switch=environment.RATE_SWITCH,
    max_body_bytes=256 * 1024,
)
