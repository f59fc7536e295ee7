"""Celery, on the same server as the state."""

from config import environment
from synckairos.redis import Address

_address = Address(environment.REDIS_URL)


def _broker_url() -> str:
    match _address.scheme:
        case "unix":
            return environment.REDIS_URL.replace("unix://", "redis+socket://", 1)
        case "redis+sentinel":
            return ";".join(f"sentinel://{host}:{port}/{_address.db}" for host, port in _address.nodes)
        case "redis+cluster":
            # Celery's transport needs one plain server: name one, or it takes the first node.
            host, port = _address.nodes[0]
            return f"redis://{host}:{port}/0"
        case _:
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
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 50
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "drain the outbox": {
        "task": "audit.tasks.drain_outbox",
        "schedule": 1.0,
        # A drain that waited is worthless: the next one does its work.
        "options": {"expires": 5.0},
    }
}
