"""Keys that sign the tokens of this service: read from PEM, identified by thumbprint, published as public keys only."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import get_default_algorithms

PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

SMALLEST_RSA_BITS = 2048
_PUBLIC_MEMBERS = {"OKP": ("crv", "x"), "EC": ("crv", "x", "y"), "RSA": ("e", "n")}
"""Members of a JSON Web Key, by its kind, that define the public key."""
_ENTRY = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----|[^,\n]+", re.DOTALL)


class InvalidKey(ValueError):
    """A key that cannot sign tokens. The message says what is wrong and repeats nothing of the key."""


@dataclass(frozen=True, eq=False)
class VerifyingKey:
    """A public key with its one algorithm. The algorithm in a token's header is never used."""

    kid: str
    algorithm: str
    public: Any = field(repr=False)


@dataclass(frozen=True, eq=False)
class SigningKey(VerifyingKey):
    """A key pair of this service."""

    private: PrivateKey = field(repr=False)
    jwk: dict[str, str] = field(repr=False)
    """The public key as a JSON Web Key."""


@dataclass(frozen=True, eq=False)
class KeyRing:
    """Signs with the first key and verifies with all, so that keys can be replaced while tokens stay valid."""

    keys: tuple[SigningKey, ...]

    def find(self, kid: str) -> SigningKey | None:
        """Return the key with this id, or None."""
        return next((key for key in self.keys if key.kid == kid), None)

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed token with these claims."""
        key = self.keys[0]
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid}, json_encoder=_AsUtf8)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JSON Web Key Set."""
        return {"keys": [key.jwk for key in self.keys]}


class _AsUtf8(json.JSONEncoder):
    """Encodes claims without escapes, with which a long name of another script would exceed the length of a token."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "ensure_ascii": False})


def key_ring(text: str, *, check_file: Callable[[int], str | None] | None = None) -> KeyRing:
    r"""Return the keys of a setting: PEM private keys, or paths of files with such keys. Raises InvalidKey.

    Commas or line ends separate paths. A literal `\n` counts as a line end, for environments that cannot hold line
    ends. `check_file` returns what is wrong with the mode of a file, or None.
    """
    entries = [entry.strip() for entry in _ENTRY.findall(text.replace("\\n", "\n")) if entry.strip()]
    pems = [pem for position, entry in enumerate(entries, 1) for pem in _pems(entry, position, check_file)]
    if not pems:
        raise InvalidKey("Expected at least one PEM private key, or the path of a file that holds one.")
    by_kid = {key.kid: key for key in (_signing_key(pem, position) for position, pem in enumerate(pems, 1))}
    return KeyRing(tuple(by_kid.values()))


def generate_pem() -> str:
    """Return a new Ed25519 private key as PEM."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _pems(entry: str, position: int, check_file: Callable[[int], str | None] | None) -> list[str]:
    """Return the PEM blocks of one entry. Errors never repeat the entry, since it may be a key with a typing error."""
    if entry.startswith("-----BEGIN"):
        return [entry]
    path = Path(entry).expanduser()
    try:
        problem = None if check_file is None else check_file(path.stat().st_mode)
        read = _ENTRY.findall(path.read_text())
    except (OSError, ValueError, RuntimeError):
        raise InvalidKey(f"Entry {position} is neither a PEM private key nor a file that can be read.") from None
    if problem is not None:
        raise InvalidKey(f"Entry {position} is a file that {problem}.")
    return [found for found in read if found.startswith("-----BEGIN")]


def _signing_key(pem: str, position: int) -> SigningKey:
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidKey(f"Key {position} cannot be read as a PEM private key without a password.") from None
    match private:
        case Ed25519PrivateKey():
            algorithm = "EdDSA"
        case EllipticCurvePrivateKey(curve=SECP256R1()):
            algorithm = "ES256"
        case RSAPrivateKey() if private.key_size >= SMALLEST_RSA_BITS:
            algorithm = "RS256"
        case _:
            raise InvalidKey(
                f"Key {position} must be Ed25519, ECDSA on P-256, or RSA of at least {SMALLEST_RSA_BITS} bits."
            )
    public = private.public_key()
    jwk = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    members = {name: jwk[name] for name in ("kty", *_PUBLIC_MEMBERS[jwk["kty"]])}
    kid = _thumbprint(members)
    return SigningKey(kid, algorithm, public, private, {**members, "use": "sig", "alg": algorithm, "kid": kid})


def _thumbprint(members: dict[str, str]) -> str:
    """Return the thumbprint of a key (RFC 7638)."""
    digest = sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
