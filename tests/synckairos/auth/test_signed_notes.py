"""Signed notes: the form of C2SP, with each kind of signing key."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from synckairos.auth import signed_notes
from synckairos.auth.signed_notes import KeyUnknown, NoteRefused, note_key, open_note, parse_key, sign
from synckairos.auth.signing_keys import generate_pem, key_ring

TEXT = "example.com/log\n1\nabc=\n"
NAME = "example.com/log"


def key_of(private):
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return key_ring(pem).keys[0]


KEYS = {
    "Ed25519": key_ring(generate_pem()).keys[0],
    "ECDSA": key_of(ec.generate_private_key(ec.SECP256R1())),
    "RSA": key_of(rsa.generate_private_key(65537, 2048)),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_note_is_opened_with_the_public_key_as_text(kind):
    note = sign(TEXT, NAME, KEYS[kind])
    public = parse_key(str(note_key(NAME, KEYS[kind])))
    assert open_note(note, [public]) == TEXT
    with pytest.raises(NoteRefused, match="wrong"):
        open_note(note.replace("\n1\n", "\n2\n"), [public])
    with pytest.raises(KeyUnknown):
        open_note(note, [note_key("example.com/other", KEYS[kind])])


def test_a_note_of_the_specification_is_opened():
    """From https://pkg.go.dev/golang.org/x/mod/sumdb/note, where the key is too."""
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    key = parse_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert open_note(note, [key]).startswith("If you think")


def test_signatures_of_others_beside_ours_do_not_matter():
    note = sign(TEXT, NAME, KEYS["ECDSA"]) + sign(TEXT, NAME, KEYS["Ed25519"]).rpartition("\n\n")[2]
    assert open_note(note, [note_key(NAME, KEYS["Ed25519"])]) == TEXT


@pytest.mark.parametrize(
    "note",
    ["", TEXT, f"{TEXT}\n", f"{TEXT}\n- {NAME} AAAAAAA=\n", f"{TEXT}\n— {NAME} AAAA\n", f"{TEXT}\n— {NAME} ?\n"],
    ids=["nothing", "unsigned", "no line", "a hyphen", "too short", "no base64"],
)
def test_what_is_no_note_is_refused(note):
    with pytest.raises(NoteRefused):
        open_note(note, [])


def test_keys_that_are_none_are_refused():
    good = str(note_key(NAME, KEYS["Ed25519"]))
    name, _, encoded = good.split("+", 2)
    other = b64encode(b"\x02" + b64decode(encoded)).decode()
    for text in ("", name, f"{name}+00000000+{encoded}", f"{name}+00000000+{other}", f"{name}+00000000+AAAA"):
        with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
            parse_key(text)


def test_bytes_that_are_no_key_of_their_kind_are_refused():
    ecdsa, rsa_key = (note_key(NAME, KEYS[kind]).encoded for kind in ("ECDSA", "RSA"))
    for encoded in (signed_notes._ECDSA + rsa_key.removeprefix(signed_notes._RSA), signed_notes._RSA + ecdsa[1:]):
        with pytest.raises(ValueError, match="another kind"):
            signed_notes._public_key(encoded)
