"""Check of the connection to Celery's broker."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from kombu import Connection

_TIMEOUT_S = 2


def is_broker_reachable() -> bool:
    """Return true when the broker accepts a connection."""
    options = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _TIMEOUT_S,
    }
    broker: Any = Connection(settings.CELERY_BROKER_URL, transport_options=options)
    try:
        # A new channel of the Redis transport sends a PING. `default_channel` would retry for long.
        broker.channel().close()
    except broker.connection_errors + broker.channel_errors:
        return False
    finally:
        broker.release()
    return True
