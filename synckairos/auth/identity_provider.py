"""The public keys of the integrator's own identity provider: fetched by a thread of their own, never by a request."""

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
MIN_REFRESH_INTERVAL_S = 30.0
"""Between two requests to the provider, whoever asks for newer keys and whatever has failed."""
_TIMEOUT_S = 5.0
_MAX_BYTES = 1024 * 1024
_ALGORITHMS = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""By the kind of a key, what it may sign with; the first unless it says otherwise. No shared secrets."""


class ProviderKeys:
    """One answer of the provider. Another one is another object, so that nothing verified with the old is believed."""

    def __init__(self, jwks: list[dict[str, Any]]) -> None:
        found = [_verifying_key(jwk) for jwk in jwks]
        self._by_kid = {key.kid: key for key in found if key is not None}

    def find(self, kid: str) -> VerifyingKey | None:
        """The key of that name."""
        return self._by_kid.get(kid)

    def __len__(self) -> int:
        return len(self._by_kid)


class KeyFetcher:
    """Keeps the provider's keys. Its thread begins with `start`, or with the first token of an unknown key."""

    def __init__(self, provider: IdentityProvider) -> None:
        self.keys = ProviderKeys([])
        """The last keys that came; kept while the provider is away."""
        self._url = provider.jwks_url
        self._body = b""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._refresh_requested = threading.Event()
        self._has_fetched = threading.Event()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to fetch, now and from time to time."""
        with self._lock:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="identity provider", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Fetch no more."""
        self._stopped.set()
        self._refresh_requested.set()
        if self._thread is not None:
            self._thread.join(2 * _TIMEOUT_S)

    def request_refresh(self) -> None:
        """Somebody came with a key we do not know: ask soon, but not now. Costs the caller nothing."""
        self._refresh_requested.set()
        self.start()

    def wait_for_first_fetch(self, within_s: float) -> bool:
        """Wait until the provider has been asked once, well or not."""
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
        """Ask the provider once; whether it answered with keys. Nothing it says is logged."""
        try:
            body = self._read()
            if body != self._body:
                keys = _provider_keys(body)
                self.keys, self._body = keys, body
                log.info("identity provider's keys changed", keys=len(keys))
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, OSError, ValueError, RecursionError) as error:
            log.warning("identity provider gives no keys", error=type(error).__name__)
        except Exception:
            log.exception("identity provider's keys cannot be fetched")  # the thread lives, and asks again
        else:
            return True
        return False

    def _read(self) -> bytes:
        """Its answer, if that is an answer and small."""
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
    """A key that signatures can be checked with; None for one that is for something else or that we do not trust."""
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
    """This process's fetcher for a provider."""
    return KeyFetcher(provider)
