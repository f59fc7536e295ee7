"""Public keys of the integrator's identity provider, fetched by a background thread and never by a request."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from typing import Any

import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import get_default_algorithms

from synckairos.auth.signing_keys import SMALLEST_RSA_BITS, VerifyingKey
from synckairos.conf import IdentityProvider
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

REFRESH_INTERVAL_S = 600.0
"""Seconds between two fetches of the keys."""
MIN_REFRESH_INTERVAL_S = 30.0
"""Least number of seconds between two fetches, after failures and refresh requests too."""
_TIMEOUT_S = 5.0
_MAX_BYTES = 1024 * 1024
_ALGORITHMS = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Signature algorithms of each kind of key. The first is the default of a key without `alg`. Shared secrets are not
supported."""


class ProviderKeys:
    """The keys of one response of the provider. Other keys are another object, so that results cached for the old keys
    are not used for the new ones."""

    def __init__(self, jwks: list[dict[str, Any]]) -> None:
        found = [_verifying_key(jwk) for jwk in jwks]
        self._by_kid = {key.kid: key for key in found if key is not None}

    def find(self, kid: str) -> VerifyingKey | None:
        """Return the key with this id, or None."""
        return self._by_kid.get(kid)

    def __len__(self) -> int:
        return len(self._by_kid)


class KeyFetcher:
    """Fetches the provider's keys in a thread, which starts with `start` or with the first token of an unknown key."""

    def __init__(self, provider: IdentityProvider) -> None:
        self.keys = ProviderKeys([])
        """The last keys that were fetched. They stay in use while the provider is away."""
        self._url = provider.jwks_url
        self._body = b""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._refresh_requested = threading.Event()
        self._has_fetched = threading.Event()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the thread. It fetches the keys at once and then regularly."""
        with self._lock:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="identity provider", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait until it has ended."""
        self._stopped.set()
        self._refresh_requested.set()
        if self._thread is not None:
            self._thread.join(2 * _TIMEOUT_S)

    def request_refresh(self) -> None:
        """Request new keys after a token with an unknown key. The call returns at once."""
        self._refresh_requested.set()
        self.start()

    def wait_for_first_fetch(self, within_s: float) -> bool:
        """Wait until the first fetch has succeeded or failed. Returns false after the timeout."""
        return self._has_fetched.wait(within_s)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._refresh_requested.clear()
            is_fresh = self._fetch()
            self._has_fetched.set()
            self._stopped.wait(MIN_REFRESH_INTERVAL_S)
            if is_fresh:
                self._refresh_requested.wait(REFRESH_INTERVAL_S - MIN_REFRESH_INTERVAL_S)

    def _fetch(self) -> bool:
        """Fetch the keys once, and return whether that succeeded. The log never repeats what the provider sent."""
        try:
            body = self._read()
            if body != self._body:
                keys = _provider_keys(body)
                self.keys, self._body = keys, body
                log.info("identity provider's keys changed", keys=len(keys))
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, OSError, ValueError, RecursionError) as error:
            log.warning("identity provider gives no keys", error=type(error).__name__)
        except Exception:
            log.exception("identity provider's keys cannot be fetched")  # the thread goes on, and tries again
        else:
            return True
        return False

    def _read(self) -> bytes:
        """Return the body of the response. Raises ValueError for another status than 200, or a large or slow body."""
        ends = time.monotonic() + 2 * _TIMEOUT_S
        body = b""
        with httpx.stream("GET", self._url, timeout=_TIMEOUT_S, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError("not an answer")
            for part in answer.iter_bytes():
                body += part
                if len(body) > _MAX_BYTES or time.monotonic() > ends:
                    raise ValueError("too large or too slow")
        return body


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _provider_keys(body: bytes) -> ProviderKeys:
    keys = ProviderKeys(msgspec.json.decode(body, type=_KeySet).keys)
    if not len(keys):
        raise ValueError("no key that we trust")
    return keys


def _verifying_key(jwk: dict[str, Any]) -> VerifyingKey | None:
    """Return the key of a JSON Web Key, or None when it is not for signatures or is not trusted."""
    kid = jwk.get("kid")
    allowed = _ALGORITHMS.get((str(jwk.get("kty")), jwk.get("crv") if isinstance(jwk.get("crv"), str) else None))
    if not isinstance(kid, str) or allowed is None or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    algorithm = jwk.get("alg", allowed[0])
    if algorithm not in allowed:
        return None
    try:
        public: Any = get_default_algorithms()[algorithm].from_jwk(jwk)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < SMALLEST_RSA_BITS:
        return None
    return VerifyingKey(kid, algorithm, public)


@lru_cache(maxsize=4)
def key_fetcher(provider: IdentityProvider) -> KeyFetcher:
    """Return this process's fetcher for a provider."""
    return KeyFetcher(provider)
