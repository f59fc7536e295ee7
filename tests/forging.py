"""Tokens as attackers make them, against whoever's key, and an identity provider to serve keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from synckairos.auth.principal import AUDIENCE
from synckairos.auth.signing_keys import SigningKey, generate_pem, key_ring
from synckairos.conf import conf


@dataclass(frozen=True)
class Maker:
    """Who makes good tokens: the key, and what they say of themselves."""

    key: SigningKey
    issuer: str
    audience: str
    fixed: dict[str, Any] = field(default_factory=dict)
    """Claims that are not as usual."""

    def token(self, header: dict[str, Any] | None = None, key: SigningKey | None = None, **changes: Any) -> str:
        """A good token, but for the changes; None leaves a claim out."""
        signer = key or self.key
        kept = {"kid": self.key.kid} | (header or {})
        return jwt.encode(self.claims(**changes), signer.private, algorithm=signer.algorithm, headers=kept)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Its claims."""
        now = int(time.time())
        claims = {
            "token_type": "access",
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "alice",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "jti": "x",
        }
        return {name: value for name, value in (claims | self.fixed | changes).items() if value is not None}

    def pem(self) -> bytes:
        """The public key, as anybody can have it."""
        public: bytes = self.key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return public


def us() -> Maker:
    """This product, with the key that the servers of the tests share."""
    return Maker(conf().signing_keys.keys[0], conf().issuer, AUDIENCE)


def new_key() -> SigningKey:
    """A key pair that nobody has seen."""
    return key_ring(generate_pem()).keys[0]


def encoded(part: Any) -> str:
    """One part of a token."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(maker: Maker, algorithm: str) -> str:
    """A token that says it needs no signature."""
    return f"{encoded({'alg': algorithm, 'kid': maker.key.kid})}.{encoded(maker.claims())}."


def shared_secret(maker: Maker, secret: bytes) -> str:
    """A token signed as if both sides knew a secret, which is public."""
    head = encoded({"alg": "HS256", "kid": maker.key.kid, "typ": "JWT"})
    signed = f"{head}.{encoded(maker.claims())}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def tampered(maker: Maker, **changes: Any) -> str:
    """A good token with other claims in it."""
    head, _, signature = maker.token().split(".")
    return f"{head}.{encoded(maker.claims(**changes))}.{signature}"


ATTACKS: dict[str, Callable[[Maker], str]] = {
    "no signature": lambda maker: unsigned(maker, "none"),
    "no signature in capitals": lambda maker: unsigned(maker, "NONE"),
    "no signature where one is said to be": lambda maker: unsigned(maker, maker.key.algorithm),
    "the public key as a secret": lambda maker: shared_secret(maker, maker.pem()),
    "the raw public key as a secret": lambda maker: shared_secret(maker, maker.key.jwk["x"].encode()),
    "an empty secret": lambda maker: shared_secret(maker, b""),
    "expired": lambda maker: maker.token(exp=int(time.time()) - 1),
    "not yet valid": lambda maker: maker.token(nbf=int(time.time()) + 60),
    "for somebody else": lambda maker: maker.token(aud="another-service"),
    "for nobody": lambda maker: maker.token(aud=None),
    "of another issuer": lambda maker: maker.token(iss="https://evil.example.com"),
    "of no issuer": lambda maker: maker.token(iss=None),
    "an unknown key": lambda maker: maker.token({"kid": "unknown"}, new_key()),
    "another key under a known name": lambda maker: maker.token(key=new_key()),
    "a key without a name": lambda maker: jwt.encode(maker.claims(), maker.key.private, maker.key.algorithm),
    "its own key in the header": lambda maker: maker.token({"kid": "k", "jwk": new_key().jwk}, new_key()),
    "another subject": lambda maker: tampered(maker, sub="eve"),
    "made staff": lambda maker: tampered(maker, staff=True),
    "cut off": lambda maker: maker.token()[:-4],
    "without an end": lambda maker: maker.token(exp=None),
    "an end beyond all bounds": lambda maker: maker.token(exp=10**400),
    "an end in words": lambda maker: maker.token(exp="tomorrow"),
    "a start in words": lambda maker: maker.token(nbf="now"),
    "no subject": lambda maker: maker.token(sub=None),
    "an empty subject": lambda maker: maker.token(sub=""),
    "a subject that no database takes": lambda maker: maker.token(sub="a\0b"),
    "a very long subject": lambda maker: maker.token(sub="a" * 600),
    "an extension we must know and do not": lambda maker: maker.token({"crit": ["x"], "x": 1}),
    "nested beyond reading": lambda _: f"{encoded(b'[' * 3000)}.{encoded(b'[' * 1500)}.x",
}
"""Nothing of all this is a good token."""


@dataclass
class FakeIdentityProvider:
    """Somebody else's keys on a local address."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    raw: bytes | None = None
    asked: int = 0
    url: str = ""
    may_answer: threading.Event = field(default_factory=threading.Event)
    """While this is not set, it keeps whoever asks waiting."""

    def __post_init__(self) -> None:
        self.may_answer.set()

    def answer(self) -> bytes:
        """What it says when asked."""
        self.asked += 1
        self.may_answer.wait()
        return self.raw if self.raw is not None else json.dumps({"keys": self.keys}).encode()


@contextmanager
def serving(provider: FakeIdentityProvider) -> Iterator[FakeIdentityProvider]:
    """The provider on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = provider.answer()
            self.send_response(provider.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
