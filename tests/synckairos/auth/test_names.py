"""Names of people follow one definition wherever they are accepted or stored."""

import re
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from audit.models import SyncEvent, SyncParticipant, SyncSession
from synckairos.auth import names, principal
from synckairos.auth.names import MAX_NAME_LENGTH, NAME_PATTERN, is_name
from synckairos.auth.principal import MAX_TOKEN_LENGTH, authenticate, mint, refresh_claims
from synckairos.conf import IdentityProvider
from synckairos.errors import Unauthenticated
from tests.forging import us

NAMES = {
    "a word": "ada",
    "an address": "ada@example.org",
    "a space inside": "Ada  Lovelace",
    "any script": "Žofie 李 अदा מרים",
    "a picture": "\U0001f600",
    "another case": "ADA",
    "a provider's": "auth0|5f7c8ec7c33c6c004bbafe82",
    "the longest": "\U0001f600" * MAX_NAME_LENGTH,
    "of a keeper's kind": "timekeepers",
}
NO_NAMES = {
    "nothing": "",
    "too long": "x" * (MAX_NAME_LENGTH + 1),
    "a space before": " u1",
    "a space after": "u1 ",
    "a space that is none": "u1\u00a0",
    "a line's end": "u1\n",
    "NUL": "u\0001",
    "a control character": "u1\x7f",
    "nothing of any width": "u1\u200b",
    "a joiner": "u\u200d1",
    "the other direction": "u\u202e1",
    "a byte order mark": "\ufeffu1",
    "a filler": "u1\u3164",
    "a blank of Braille": "u\u28001",
    "a selector": "u1\ufe0f",
    "a tag": "u1\U000e0041",
    "half a character": "u\ud800",
    "a private character": "u\ue000",
    "no character": "u\ufffe",
    "not composed": "Zoe\u0308",
    "the timekeeper's": "timekeeper",
    "that of restorations": "operator",
    "of staff who were erased": "(erased)",
    "a session token's": f"session-token:{'0' * 32}",
    "of one who was erased": f"sha256:{'x' * 43}",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_valid_name_is_accepted_unchanged(name):
    assert is_name(name)
    assert authenticate(mint(name, is_staff=False)).subject == name


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES)
def test_an_invalid_name_gets_no_token_and_a_token_with_it_is_refused(name):
    assert not is_name(name)
    with pytest.raises(ValueError, match="A subject has"):
        mint(name, is_staff=False)
    with pytest.raises(CommandError, match="A subject has"):
        call_command("issue_token", name)
    with pytest.raises(Unauthenticated):
        authenticate(us().token(sub=name))
    with pytest.raises(Unauthenticated):
        refresh_claims(us().token(sub=name, token_type="refresh"))


def test_principals_that_the_product_makes_itself_have_reserved_names():
    rooms = ("audit", "sessions", "synckairos", "config")
    source = "".join(path.read_text() for room in rooms for path in Path(room).rglob("*.py"))
    made = set(re.findall(r"Principal\(\s*(\"[^\"]*\"|[A-Z][A-Z_]+)", source))
    assert made == {"TIMEKEEPER_NAME", "OPERATOR_NAME"}
    assert not any(map(is_name, (names.TIMEKEEPER_NAME, names.OPERATOR_NAME)))


@pytest.mark.parametrize("other", [None, 1, True, ["ada"], {"ada": 1}, b"ada"])
def test_a_value_that_is_not_text_is_not_a_name(other):
    assert not is_name(other)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_documented_pattern_accepts_every_valid_name(name):
    assert re.search(NAME_PATTERN, name)


def test_the_documented_pattern_refuses_white_space_at_the_ends_and_control_characters():
    assert not any(
        re.search(NAME_PATTERN, NO_NAMES[kind]) for kind in ("nothing", "a space after", "NUL", "a space before")
    )


@pytest.mark.parametrize(
    ("model", "column"), [(SyncSession, "created_by"), (SyncEvent, "principal"), (SyncParticipant, "user_id")]
)
def test_every_column_of_names_holds_the_longest(model, column):
    assert model._meta.get_field(column).max_length == MAX_NAME_LENGTH


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["timekeeper", "operator", "ada\u3164", "ada ", " ada", "\uff41da"])
def test_staff_cannot_create_a_user_with_a_name_that_tokens_cannot_have(client, django_user_model, name):
    with pytest.raises(ValidationError, match="Expected a name"):
        django_user_model._meta.get_field("username").clean(name, None)
    client.force_login(django_user_model.objects.create_superuser("root"))
    secret = {"usable_password": "true", "password1": "correct horse battery", "password2": "correct horse battery"}
    answer = client.post("/admin/auth/user/add/", {"username": name, **secret})
    assert answer.status_code == 200
    assert "Expected a name" in answer.text
    assert client.post("/admin/auth/user/add/", {"username": "ada", **secret}).status_code == 302
    ada = django_user_model.objects.exclude(username="root").get()
    assert "Expected a name" in client.post(f"/admin/auth/user/{ada.pk}/change/", {"username": name}).text


def token_of(length):
    """A token of ours with this many characters, or one less: base64 does not have every length."""
    token = us().token(pad="x" * 3_000)
    while len(token) < length - 1:
        padding = 3_000 + (length - len(token)) * 3 // 4
        token = us().token(pad="x" * padding)
        while len(token) > length:
            padding -= 1
            token = us().token(pad="x" * padding)
    return token


def test_a_token_may_have_eight_kib():
    longest = token_of(MAX_TOKEN_LENGTH)
    assert MAX_TOKEN_LENGTH - 1 <= len(longest) <= MAX_TOKEN_LENGTH
    assert authenticate(longest).subject == "alice"
    with pytest.raises(Unauthenticated):
        authenticate(us().token(pad="x" * 6_100))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["timekeeper", "operator", "(erased)", f"session-token:{'0' * 32}"])
def test_a_user_with_a_reserved_name_gets_no_token(client, django_user_model, name):
    who = {"username": name, "password": "correct horse battery staple"}
    django_user_model.objects.create_user(**who)  # past every form
    assert client.post("/v1/token", who, content_type="application/json").status_code == 401


@pytest.mark.parametrize(
    ("prefix", "subject"), [("", "timekeeper"), ("oper", "ator"), ("session-", "token:0"), ("time", "keeper")]
)
def test_a_prefix_of_an_identity_provider_cannot_make_a_reserved_name(prefix, subject):
    provider = IdentityProvider("https://login.example.com", "clocks", "https://login.example.com/jwks", prefix, None)
    claims = {"sub": subject, "exp": 2**33}
    with pytest.raises(Unauthenticated):
        principal._provider_principal(claims, provider)
    assert principal._provider_principal(claims | {"sub": "ada"}, provider).subject == f"{prefix}ada"
