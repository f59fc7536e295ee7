"""Whether Celery's broker can be reached."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from kombu import Connection

_TIMEOUT_S = 2


def is_broker_reachable() -> bool:
    """Ask once."""
    options = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _TIMEOUT_S,
    }
    broker: Any = Connection(settings.CELERY_BROKER_URL, transport_options=options)
    try:
        # A channel of Redis's transport pings when it is made. The default channel would be tried for again and again.
        broker.channel().close()
    except broker.connection_errors + broker.channel_errors:
        return False
    finally:
        broker.release()
    return True
