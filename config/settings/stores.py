"""Settings of databases, cache and channel layer."""

from pathlib import Path

import dj_database_url

from config import environment
from synckairos import data_directory
from synckairos.redis import keys
from synckairos.redis.client import channel_layer_hosts

_ENGINES = {
    "django.db.backends.sqlite3": "django_prometheus.db.backends.sqlite3",
    "django.db.backends.postgresql": "django_prometheus.db.backends.postgresql",
}

_default = dj_database_url.parse(environment.DATABASE_URL)
_default["ENGINE"] = _ENGINES.get(_default["ENGINE"], _default["ENGINE"])
if _default["ENGINE"].endswith("sqlite3"):
    if Path(str(_default["NAME"])).parent == environment.DATA_DIR:
        data_directory.make_file(Path(str(_default["NAME"])))
    _default["OPTIONS"] = {
        "timeout": 10,
        # Writers queue at BEGIN, where waiting is possible, and readers never wait (WAL).
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # A file, so that processes which a test starts see the same database.
    _default["TEST"] = {"NAME": environment.DATA_DIR / "test.sqlite3"}
else:
    _default["OPTIONS"] = {
        **_default.get("OPTIONS", {}),
        "connect_timeout": 3,
        # A server that vanished without a word is noticed by the client; the timeouts below are the server's.
        "tcp_user_timeout": 20_000,
        "keepalives_idle": 10,
        "options": "-c statement_timeout=15000 -c lock_timeout=10000",
    }

DATABASES = {"default": _default}

_embedded = environment.REDIS_URL.startswith(("redis://", "rediss://", "unix://"))
CACHES = {
    "default": {
        "BACKEND": "django_prometheus.cache.backends.redis.RedisCache",
        "LOCATION": environment.REDIS_URL,
        "KEY_PREFIX": "sk-cache",
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 1, "SOCKET_TIMEOUT": 2},
    }
    if _embedded
    # The cache holds nothing that must be shared; Sentinel and Cluster need no client of their own for it.
    else {"BACKEND": "django_prometheus.cache.backends.locmem.LocMemCache"}
}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "synckairos.redis.channel_layer.PubSubChannelLayer",
        "CONFIG": {"hosts": channel_layer_hosts(environment.REDIS_URL), "prefix": keys.CHANNEL_LAYER_PREFIX},
    }
}
