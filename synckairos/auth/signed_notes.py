"""Texts with signatures under them, in the form of C2SP signed notes (https://c2sp.org/signed-note).

The first signing key signs. Its kind decides the type of the signature: Ed25519 has type 1, and ECDSA on P-256 type 2,
with SHA-256 and the signature in DER. RSA has none, so it takes the type for others, and a name of its own:
PKCS #1 v1.5 with SHA-256.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from msgspec import Struct

from synckairos.auth.signing_keys import SigningKey

_ED25519 = b"\x01"
_ECDSA = b"\x02"
_RSA = b"\xffsynckairos RSA PKCS1v15 SHA256\x00"
_DASH = "\N{EM DASH}"
_ID_BYTES = 4
MAX_SIGNATURES = 16


class NoteRefused(ValueError):
    """A note that cannot be read, or whose signature is wrong."""


class KeyUnknown(NoteRefused):
    """A note that none of the known keys has signed."""


class NoteKey(Struct, frozen=True):
    """A public key under a name."""

    name: str
    encoded: bytes
    """Type of the signature, and the public key."""

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that stand before its signatures."""
        covered = self.encoded[1:] if self.encoded.startswith(_ECDSA) else f"{self.name}\n".encode() + self.encoded
        return sha256(covered).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return the key as other programs take it: name, id and key."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(self.encoded).decode()}"

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """Return true if this key has signed a text."""
        try:
            match _public_key(self.encoded):
                case Ed25519PublicKey() as key:
                    key.verify(signature, text)
                case EllipticCurvePublicKey() as key:
                    key.verify(signature, text, ECDSA(SHA256()))
                case RSAPublicKey() as key:
                    key.verify(signature, text, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def note_key(name: str, key: SigningKey) -> NoteKey:
    """Return the public part of a signing key under a name."""
    if isinstance(key.public, Ed25519PublicKey):
        return NoteKey(name, _ED25519 + key.public.public_bytes(Encoding.Raw, PublicFormat.Raw))
    kind = _ECDSA if isinstance(key.public, EllipticCurvePublicKey) else _RSA
    return NoteKey(name, kind + key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def parse_key(text: str) -> NoteKey:
    """Return the key of which `str` made a text. Raises ValueError."""
    name, key_id, encoded = text.split("+", 2)
    key = NoteKey(name, b64decode(encoded, validate=True))
    _public_key(key.encoded)
    if not name or key.key_id.hex() != key_id:
        raise ValueError("the id is of another key")
    return key


def sign(text: str, name: str, key: SigningKey) -> str:
    """Return a note: a text, which ends with a line end, and the signature of a key under a name."""
    data, private = text.encode(), key.private
    signature: bytes
    match key.algorithm:
        case "EdDSA":
            signature = private.sign(data)  # type: ignore[call-arg]
        case "ES256":
            signature = private.sign(data, ECDSA(SHA256()))  # type: ignore[call-arg,arg-type]
        case _:
            signature = private.sign(data, PKCS1v15(), SHA256())  # type: ignore[call-arg,arg-type]
    line = b64encode(note_key(name, key).key_id + signature).decode()
    return f"{text}\n{_DASH} {name} {line}\n"


def open_note(note: str, keys: Collection[NoteKey]) -> str:
    """Return the text of a note that a known key has signed. Raises KeyUnknown, or NoteRefused."""
    text, blank, lines = note.rpartition("\n\n")
    signatures = lines.splitlines()
    if not blank or not 0 < len(signatures) <= MAX_SIGNATURES or not lines.endswith("\n"):
        raise NoteRefused("it is no signed note")
    text += "\n"
    is_signed = False
    for line in signatures:
        name, signature = _parse_signature(line)
        for key in keys:
            if (key.name, key.key_id) == (name, signature[:_ID_BYTES]):
                if not key.verifies(signature[_ID_BYTES:], text.encode()):
                    raise NoteRefused("its signature is wrong")
                is_signed = True
    if not is_signed:
        raise KeyUnknown("no known key has signed it")
    return text


def _parse_signature(line: str) -> tuple[str, bytes]:
    try:
        dash, name, encoded = line.split(" ")
        signature = b64decode(encoded, validate=True)
    except ValueError:
        raise NoteRefused("a signature cannot be read") from None
    if dash != _DASH or len(signature) <= _ID_BYTES or b64encode(signature).decode() != encoded:
        raise NoteRefused("a signature cannot be read")
    return name, signature


def _public_key(encoded: bytes) -> Any:
    """Return the public key of its encoded form. Raises ValueError."""
    if encoded.startswith(_ED25519):
        return Ed25519PublicKey.from_public_bytes(encoded[1:])
    kind = _ECDSA if encoded.startswith(_ECDSA) else _RSA
    try:
        key = load_der_public_key(encoded.removeprefix(kind)) if encoded.startswith(kind) else None
    except UnsupportedAlgorithm:
        key = None
    match key:
        case EllipticCurvePublicKey(curve=SECP256R1()) if kind == _ECDSA:
            return key
        case RSAPublicKey() if kind == _RSA:
            return key
        case _:
            raise ValueError("a key of another kind")
