"""Every environment variable, read once. All faults are reported at once, by name, and stop the start.
docs/operations.md explains each."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import dj_database_url
from environs import Env, EnvValidationError
from marshmallow.exceptions import ValidationError as Unacceptable
from marshmallow.validate import Range

from config import checks, parsers, safety
from synckairos import data_directory
from synckairos.auth.signing_keys import InvalidKey, KeyRing, generate_pem, key_ring
from synckairos.conf import HEARTBEAT_MAX_S, IdentityProvider, Rate
from synckairos.engine.units import Visibility
from synckairos.ratelimit.policies import SETTINGS
from synckairos.redis.client import StoreUrl
from synckairos.telemetry import stderr

_STORE_SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://")
_LONGEST_SOCKET_PATH = 100

ROOT = Path(__file__).resolve().parent.parent
_env = Env(eager=False)
IN_PRODUCTION: bool = (
    _env.str("SYNCKAIROS_ENV", "development", validate=checks.one_of("development", "test", "production"))
    == "production"
)
_env.add_parser("token", safety.token)
for _kind in (safety.proxies, safety.origins, safety.hosts):
    _env.add_parser(_kind.__name__, partial(_kind, in_production=IN_PRODUCTION))
for _form in (parsers.rate, parsers.limit, parsers.ms, parsers.label_keys, parsers.shared_directory, parsers.directory):
    _env.add_parser(_form.__name__, _form)


def _outside_production(default: str | None) -> Any:
    """Return a default, or in production the mark of a variable that is required."""
    return ... if IN_PRODUCTION else default


@_env.parser_for("store_url")
def _store_url(text: str) -> str:
    if not text.startswith(_STORE_SCHEMES):
        raise Unacceptable(f"Expected a URL that begins with one of {', '.join(_STORE_SCHEMES)}.")
    try:
        address = StoreUrl(text)
    except ValueError as error:
        raise Unacceptable(f"Not the URL of a store: {error}.") from error
    safety.store(address, in_production=IN_PRODUCTION)
    return text


@_env.parser_for("broker_url")
def _broker_url(text: str) -> str:
    """Accepts any kind of broker that Celery supports; those that are stores are checked as stores."""
    return _store_url(text) if text.startswith(_STORE_SCHEMES) else text


@_env.parser_for("database_url")
def _database_url(text: str) -> str:
    try:
        engine = dj_database_url.parse(text)["ENGINE"]
    except (ValueError, KeyError) as error:
        raise Unacceptable("Expected a URL such as postgres://user:password@host:5432/name.") from error
    if not engine.endswith(("sqlite3", "postgresql")):
        raise Unacceptable("Only PostgreSQL and SQLite are supported.")
    safety.database(engine, in_production=IN_PRODUCTION, sqlite_allowed=ALLOW_SQLITE)
    return text


@_env.parser_for("key_ring")
def _key_ring(text: str) -> KeyRing:
    try:
        return key_ring(text, check_file=safety.key_file if IN_PRODUCTION else None)
    except InvalidKey as error:
        raise Unacceptable(str(error)) from None


@_env.parser_for("jwks_url")
def _jwks_url(text: str) -> str:
    schemes = ("https",) if IN_PRODUCTION else ("https", "http")
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in schemes or not parts.hostname:
        raise Unacceptable("Expected a URL such as https://login.example.com/.well-known/jwks.json.")
    return text


def _strong(value: str) -> None:
    safety.secret(value, in_production=IN_PRODUCTION)


def _each_strong(values: list[str]) -> None:
    for value in values:
        _strong(value)


def _with_subdomains(value: bool) -> None:
    if value and not HSTS_SUBDOMAINS:
        raise Unacceptable("The lists take domains with all their subdomains only: SYNCKAIROS_HSTS_SUBDOMAINS=1.")


def _by_https(value: list[str]) -> None:
    if IN_PRODUCTION and not all(safety.is_one_secure_origin(origin) for origin in value):
        raise Unacceptable("In production each must begin with https:// and name one host, without a wildcard.")


def embedded_socket(data_dir: Path) -> Path:
    """Return the path of the embedded store's socket. Systems limit the length of such paths, so a long directory gets
    a short link."""
    path = data_dir / "valkey.sock"
    return path if len(str(path)) <= _LONGEST_SOCKET_PATH else data_directory.temporary_directory(data_dir) / path.name


def kept_secret(path: Path, made: Callable[[], str]) -> str:
    """Return a secret of this machine, made once and readable by its owner only."""
    if not path.exists():
        data_directory.make_directory(path.parent)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(made())
        try:
            os.link(draft, path)  # whole or not at all, and the first one wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def _secret_key() -> str:
    given: str | None = _env.str("SYNCKAIROS_SECRET_KEY", _outside_production(None), validate=_strong)
    if given or IN_PRODUCTION:
        return given or ""
    return kept_secret(DATA_DIR / "secret_key", lambda: secrets.token_urlsafe(48))


def _signing_keys() -> KeyRing:
    name = "SYNCKAIROS_SIGNING_KEYS"
    is_given = IN_PRODUCTION or name in os.environ
    keys: KeyRing = _env.key_ring(name, ... if is_given else kept_secret(DATA_DIR / "signing_key", generate_pem))
    return keys


def _provider() -> IdentityProvider | None:
    """Return the identity provider; its three variables are set together, or none is."""
    named = [f"SYNCKAIROS_IDP_{name}" for name in ("ISSUER", "AUDIENCE", "JWKS_URL")]
    prefix: str = _env.str("SYNCKAIROS_IDP_SUBJECT_PREFIX", "idp:", validate=checks.begins_names)
    staff_claim: str | None = _env.str("SYNCKAIROS_IDP_STAFF_CLAIM", "") or None
    if not any(os.environ.get(name) for name in named):
        return None
    issuer, audience = (_env.str(name, validate=checks.NOT_EMPTY) for name in named[:2])
    return IdentityProvider(issuer, audience, _env.jwks_url(named[2]), prefix, staff_claim)


DATA_DIR: Path = Path(_env.str("SYNCKAIROS_DATA_DIR", "") or ROOT / "var").expanduser().absolute()
data_directory.restrict_modes(DATA_DIR, is_ours=not os.environ.get("SYNCKAIROS_DATA_DIR"))

# In production nothing that binds to a machine or protects a secret has a default.
REDIS_URL: str = _env.store_url("REDIS_URL", _outside_production(f"unix://{embedded_socket(DATA_DIR)}"))
LOSSY_STORE_ALLOWED: bool = _env.bool("SYNCKAIROS_ALLOW_LOSSY_STORE", False) or not IN_PRODUCTION
BROKER_URL: str = _env.broker_url("SYNCKAIROS_BROKER_URL", "")
if REDIS_URL and REDIS_URL.startswith("redis+cluster://") and not BROKER_URL:
    _env.str("SYNCKAIROS_BROKER_URL")  # required beside a Cluster: the message names it
ALLOW_SQLITE: bool = _env.bool("SYNCKAIROS_ALLOW_SQLITE", False)
DATABASE_URL: str = _env.database_url(
    "DATABASE_URL", _outside_production(f"sqlite:///{DATA_DIR / 'synckairos.sqlite3'}")
)
SECRET_KEY: str = _secret_key()
SECRET_KEY_FALLBACKS: list[str] = _env.list("SYNCKAIROS_SECRET_KEY_FALLBACKS", [], validate=_each_strong)
SIGNING_KEYS: KeyRing = _signing_keys()
ISSUER: str = _env.str("SYNCKAIROS_ISSUER", "synckairos", validate=checks.NOT_EMPTY)
PROVIDER: IdentityProvider | None = _provider()
ALLOWED_HOSTS: list[str] = _env.hosts("SYNCKAIROS_ALLOWED_HOSTS", _outside_production("*"))
DEFAULT_VISIBILITY = Visibility(
    _env.str("SYNCKAIROS_DEFAULT_VISIBILITY", "private", validate=checks.one_of(*Visibility)) or Visibility.PRIVATE
)
TRUSTED_PROXIES, TRUSTS_UNIX_SOCKETS = (
    _env.proxies("SYNCKAIROS_TRUSTED_PROXIES", _outside_production("")) or safety.NO_PROXIES
)
TRUSTED_ORIGINS: list[str] = _env.list("SYNCKAIROS_TRUSTED_ORIGINS", [], validate=_by_https)
CORS_ORIGINS: tuple[str, ...] = _env.origins("SYNCKAIROS_CORS_ORIGINS", "")
CORS_LOCAL: bool = not IN_PRODUCTION
METRICS_TOKEN: str | None = _env.token("SYNCKAIROS_METRICS_TOKEN", "")
METRICS_OPEN: bool = METRICS_TOKEN is None and not IN_PRODUCTION
ADMIN: bool = _env.bool("SYNCKAIROS_ADMIN", True)
API_DOCS: bool = _env.bool("SYNCKAIROS_API_DOCS", True)
HSTS_SUBDOMAINS: bool = _env.bool("SYNCKAIROS_HSTS_SUBDOMAINS", False)
HSTS_PRELOAD: bool = _env.bool("SYNCKAIROS_HSTS_PRELOAD", False, validate=_with_subdomains)
LOG_ADDRESSES_WHOLE: bool = (
    _env.str("SYNCKAIROS_LOG_ADDRESSES", "hashed", validate=checks.one_of("hashed", "whole")) == "whole"
)
LOG_LEVEL: str = _env.str("SYNCKAIROS_LOG_LEVEL", "INFO", validate=checks.one_of("DEBUG", "INFO", "WARNING", "ERROR"))
SHARDS: int = _env.int("SYNCKAIROS_SHARDS", 1, validate=checks.POSITIVE)
IDLE_TTL_MS: int = _env.ms("SYNCKAIROS_IDLE_TTL_S", 30 * 86_400)
UNATTENDED_TTL_MS: int = _env.ms("SYNCKAIROS_UNATTENDED_TTL_S", 12 * 3_600)
PAUSED_TTL_MS: int = _env.ms("SYNCKAIROS_PAUSED_TTL_S", 60 * 86_400)
FINISHED_TTL_MS: int = _env.ms("SYNCKAIROS_FINISHED_TTL_S", 3_600)
INFLUX_TOKEN: str | None = _env.str("SYNCKAIROS_INFLUX_TOKEN", "") or None
METADATA_INDEX: tuple[str, ...] = _env.label_keys("SYNCKAIROS_METADATA_INDEX", "")
RECENT_TRANSITIONS: int = _env.int("SYNCKAIROS_RECENT_TRANSITIONS", 12, validate=checks.POSITIVE)
RECOVERY_EVENTS: int = _env.int("SYNCKAIROS_RECOVERY_EVENTS", 200, validate=checks.POSITIVE)
RECOVERY_AGE_MS: int = _env.ms("SYNCKAIROS_RECOVERY_AGE_S", 600)
HEARTBEAT_S: float = _env.float("SYNCKAIROS_HEARTBEAT_S", 20.0, validate=[checks.POSITIVE, Range(max=HEARTBEAT_MAX_S)])
SEND_TIMEOUT_S: float = _env.float("SYNCKAIROS_SEND_TIMEOUT_S", 10.0, validate=checks.POSITIVE)
AUTH_GRACE_S: float = _env.float("SYNCKAIROS_AUTH_GRACE_S", 30.0, validate=Range(min=0))
TICKET_TTL_MS: int = _env.ms("SYNCKAIROS_TICKET_TTL_S", 30)
# Above the 10 s for which nginx by default leaves out a server that has refused it: the one that was restarted before
# this one must be in use again.
LAME_DUCK_S: float = _env.float("SYNCKAIROS_LAME_DUCK_S", 12.0 if IN_PRODUCTION else 0.0, validate=Range(min=0))
DRAIN_S: float = _env.float("SYNCKAIROS_DRAIN_S", 8.0, validate=Range(min=0))
HEAD_TIMEOUT_S: float = _env.float("SYNCKAIROS_HEAD_TIMEOUT_S", 10.0, validate=checks.POSITIVE)
BODY_TIMEOUT_S: float = _env.float("SYNCKAIROS_BODY_TIMEOUT_S", 30.0, validate=checks.POSITIVE)
KEEP_ALIVE_S: int = _env.int("SYNCKAIROS_KEEP_ALIVE_S", 75, validate=checks.POSITIVE)
MAX_FRAME_BYTES: int = _env.int("SYNCKAIROS_MAX_FRAME_BYTES", 16_384, validate=Range(min=1024))
SOCKETS_PER_PRINCIPAL: int | None = _env.limit("SYNCKAIROS_SOCKETS_PER_PRINCIPAL", "1000")
SOCKETS_PER_SESSION: int | None = _env.limit("SYNCKAIROS_SOCKETS_PER_SESSION", "20000")
SESSIONS_PER_OWNER: int | None = _env.limit("SYNCKAIROS_SESSIONS_PER_OWNER", "1000")
SESSIONS_PER_SERVICE: int | None = _env.limit("SYNCKAIROS_SESSIONS_PER_SERVICE", "100000")
SELF_RUNNING_PER_OWNER: int | None = _env.limit("SYNCKAIROS_SELF_RUNNING_PER_OWNER", "30")
SELF_RUNNING_PER_SERVICE: int | None = _env.limit("SYNCKAIROS_SELF_RUNNING_PER_SERVICE", "3000")
RECORD_BYTES_PER_PERSON: int | None = _env.limit("SYNCKAIROS_RECORD_BYTES_PER_PERSON", "67108864")
RECORD_BYTES_PER_SERVICE: int | None = _env.limit("SYNCKAIROS_RECORD_BYTES_PER_SERVICE", "off")
PERSONAL_METADATA: tuple[str, ...] = tuple(map(str.strip, _env.list("SYNCKAIROS_PERSONAL_METADATA", "*")))
CHECKPOINT_DIR: Path | None = _env.directory("SYNCKAIROS_CHECKPOINT_DIR", str(DATA_DIR / "checkpoints"))
CHECKPOINT_S: float = _env.float("SYNCKAIROS_CHECKPOINT_S", 60.0, validate=checks.POSITIVE)
METRICS_HOST: str = _env.str("SYNCKAIROS_METRICS_HOST", "127.0.0.1", validate=checks.address)
MULTIPROC_DIR: Path | None = _env.shared_directory("PROMETHEUS_MULTIPROC_DIR", "")
METRICS_PORT: int | None = _env.int("SYNCKAIROS_METRICS_PORT", None, validate=checks.POSITIVE)
RATES: dict[str, Rate | None] = {name: _env.rate(name, default) for name, default in SETTINGS.items()}

try:
    _env.seal()
except EnvValidationError as wrong:
    problems = cast("dict[str, list[str]]", wrong.error_messages)
    lines = [f"  {name}: {' '.join(messages)}" for name, messages in sorted(problems.items())]
    reason = "\n".join(["SyncKairos cannot start; these environment variables are wrong or missing:", *lines])
    if IN_PRODUCTION and not sys.stderr.isatty():
        stderr.write_now(reason, "config.environment", level="critical")
        sys.exit(1)
    sys.exit(reason)
