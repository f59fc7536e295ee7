"""Settings of Celery, whose broker is the server of the state."""

from typing import Any
from urllib.parse import quote

from config import environment
from synckairos.redis.client import StoreUrl

_address = StoreUrl(environment.REDIS_URL)


def _broker_url() -> str:
    """Return the broker's address. Celery's transport supports plain servers and Sentinel; beside a Cluster it needs
    another server."""
    if environment.BROKER_URL:
        return environment.BROKER_URL
    if _address.scheme == "unix":
        return environment.REDIS_URL.replace("unix://", "redis+socket://", 1)
    if _address.scheme == "redis+sentinel":
        secret = f":{quote(_address.password, safe='')}@" if _address.password else ""
        return ";".join(f"sentinel://{secret}{host}:{port}/{_address.db}" for host, port in _address.nodes)
    return environment.REDIS_URL


CELERY_BROKER_URL = _broker_url()
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,  # above twice the longest task
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "global_keyprefix": "sk-celery:",
    **({"master_name": _address.service} if _address.scheme == "redis+sentinel" else {}),
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # such as a server without room: the worker waits for some
CELERY_WORKER_CONSUMER = "audit.worker:BrokerRetryConsumer"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "audit.schedule:BackpressureScheduler"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "drain the outbox": {
        "task": "audit.tasks.drain_outbox",
        "schedule": 5.0,
        # One drain waits for entries for 15 s, so the next one is there when it ends.
        "options": {"expires": 60.0},
    },
    "forget expired refresh tokens": {
        "task": "sessions.tasks.forget_expired_tokens",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
}
if environment.CHECKPOINT_DIR is not None:
    CELERY_BEAT_SCHEDULE["write a checkpoint of the audit"] = {
        "task": "audit.tasks.write_checkpoint",
        "schedule": environment.CHECKPOINT_S,
        "options": {"expires": max(120.0, environment.CHECKPOINT_S)},  # drains come before it
    }
