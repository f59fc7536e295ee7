"""The keys that sign our tokens: read from PEM, named by their thumbprint, shown to others as public keys only."""

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
_ENTRY = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----|[^,\n]+", re.DOTALL)


class BadKey(ValueError):
    """Not a key that we sign with. Says what is wrong, and nothing of the key."""


@dataclass(frozen=True, eq=False)
class VerifyingKey:
    """A public key, bound to its one algorithm: what a token's own header claims is never believed."""

    kid: str
    algorithm: str
    public: Any = field(repr=False)


@dataclass(frozen=True, eq=False)
class SigningKey(VerifyingKey):
    """A key pair of ours."""

    private: PrivateKey = field(repr=False)
    jwk: dict[str, str] = field(repr=False)
    """The public key as a JSON Web Key."""


@dataclass(frozen=True, eq=False)
class KeyRing:
    """The first key signs; tokens of all of them are good, so that keys can change without anybody noticing."""

    keys: tuple[SigningKey, ...]

    def find(self, kid: str) -> SigningKey | None:
        """The key of that name."""
        return next((key for key in self.keys if key.kid == kid), None)

    def sign(self, claims: dict[str, Any]) -> str:
        """A token of these claims."""
        key = self.keys[0]
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid}, json_encoder=_AsUtf8)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set."""
        return {"keys": [key.jwk for key in self.keys]}


class _AsUtf8(json.JSONEncoder):
    """Claims without escapes, which would make a long name of another script longer than a token may be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "ensure_ascii": False})


def key_ring(text: str, *, check_file: Callable[[int], str | None] | None = None) -> KeyRing:
    """The keys of a setting: PEM private keys, or paths of files that hold them. Raises BadKey.

    Paths are separated by commas or lines. A literal `\\n` counts as a line's end, for environments without real ones.
    `check_file` says what is wrong with the mode of such a file, if anything is.
    """
    entries = [entry.strip() for entry in _ENTRY.findall(text.replace("\\n", "\n")) if entry.strip()]
    pems = [pem for position, entry in enumerate(entries, 1) for pem in _pems(entry, position, check_file)]
    if not pems:
        raise BadKey("Expected at least one PEM private key, or the path of a file that holds one.")
    by_kid = {key.kid: key for key in (_signing_key(pem, position) for position, pem in enumerate(pems, 1))}
    return KeyRing(tuple(by_kid.values()))


def new_pem() -> str:
    """A new Ed25519 private key as PEM."""
    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _pems(entry: str, position: int, check_file: Callable[[int], str | None] | None) -> list[str]:
    """The PEM blocks of one entry. What it says is never repeated: it may be a key with a slip in it."""
    if entry.startswith("-----BEGIN"):
        return [entry]
    path = Path(entry).expanduser()
    try:
        problem = None if check_file is None else check_file(path.stat().st_mode)
        read = _ENTRY.findall(path.read_text())
    except (OSError, ValueError, RuntimeError):
        raise BadKey(f"Entry {position} is neither a PEM private key nor a file that can be read.") from None
    if problem is not None:
        raise BadKey(f"Entry {position} is a file that {problem}.")
    return [found for found in read if found.startswith("-----BEGIN")]


def _signing_key(pem: str, position: int) -> SigningKey:
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey(f"Key {position} cannot be read as a PEM private key without a password.") from None
    match private:
        case Ed25519PrivateKey():
            algorithm = "EdDSA"
        case EllipticCurvePrivateKey(curve=SECP256R1()):
            algorithm = "ES256"
        case RSAPrivateKey() if private.key_size >= SMALLEST_RSA_BITS:
            algorithm = "RS256"
        case _:
            raise BadKey(
                f"Key {position} must be Ed25519, ECDSA on P-256, or RSA of at least {SMALLEST_RSA_BITS} bits."
            )
    public = private.public_key()
    members = _members(get_default_algorithms()[algorithm].to_jwk(public, as_dict=True))
    kid = _thumbprint(members)
    return SigningKey(kid, algorithm, public, private, {**members, "use": "sig", "alg": algorithm, "kid": kid})


def _members(jwk: dict[str, Any]) -> dict[str, str]:
    """What makes the public key, and nothing else."""
    return {name: jwk[name] for name in ("kty", *_PUBLIC_MEMBERS[jwk["kty"]])}


def _thumbprint(members: dict[str, str]) -> str:
    """RFC 7638."""
    digest = sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
