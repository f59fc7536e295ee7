"""Families of refresh tokens end with a reused token, a revocation, or another password."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from synckairos.auth.principal import REFRESH, new_claims
from synckairos.conf import conf
from tests.talk import refused, wrong_fields

pytestmark = pytest.mark.django_db
WHO = {"username": "carol", "password": "correct horse battery staple"}


@pytest.fixture(autouse=True)
def carol(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return get_user_model().objects.create_user(**WHO)


def post(path, body, key=None):
    headers = {} if key is None else {"Idempotency-Key": key}
    return Client().post(f"/v1/{path}", body, content_type="application/json", headers=headers)


def log_in(**changes):
    return post("token", WHO | changes).json()["refresh"]


def exchange(token, key=None):
    answer = post("token/refresh", {"refresh": token}, key)
    assert answer.status_code == 200, answer.content
    return answer.json()["refresh"]


def is_revoked(token):
    refused(post("token/refresh", {"refresh": token}), 401, "UNAUTHENTICATED")
    return True


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_a_reused_refresh_token_revokes_its_family_and_no_other():
    first, elsewhere = log_in(), log_in()
    second = exchange(first)
    third = exchange(second)
    assert is_revoked(first)
    assert is_revoked(third)
    assert is_revoked(second)
    exchange(elsewhere)


@pytest.mark.django_db(transaction=True)
def test_a_used_token_and_the_current_one_at_the_same_time_leave_no_valid_token():
    first = log_in()
    second = exchange(first)

    def attempt(token):
        try:
            return post("token/refresh", {"refresh": token})
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        spent, current = pool.map(attempt, (first, second))
    refused(spent, 401, "UNAUTHENTICATED")
    assert is_revoked(second)
    if current.status_code == 200:  # it came before
        assert is_revoked(current.json()["refresh"])


def test_a_family_is_revoked_before_the_first_use_of_its_newest_token():
    first = log_in()
    newest = exchange(first)
    refused(post("token/revoke", {"refresh": first}), 401, "UNAUTHENTICATED")
    assert is_revoked(newest)


@pytest.mark.parametrize("rotations", [0, 1, 2])
def test_a_revocation_revokes_one_family_and_no_other(rotations):
    mine, other = log_in(), log_in()
    for _ in range(rotations):
        mine = exchange(mine)
    answer = post("token/revoke", {"refresh": mine})
    assert (answer.status_code, answer.content) == (204, b"")
    assert is_revoked(mine)
    refused(post("token/revoke", {"refresh": mine}), 401, "UNAUTHENTICATED")
    exchange(other)


def test_a_repetition_with_the_same_idempotency_key_gets_the_same_token():
    first = log_in()
    lost, again = (exchange(first, key="attempt 1") for _ in range(2))
    assert claims_of(again) == claims_of(lost)
    third = exchange(again, key="attempt 2")
    assert is_revoked(first)  # it was used meanwhile
    assert is_revoked(third)


@pytest.mark.parametrize("key", [None, "another"])
def test_a_used_token_without_the_same_key_revokes_its_family(key):
    first = log_in()
    second = exchange(first, key="mine")
    refused(post("token/refresh", {"refresh": first}, key), 401, "UNAUTHENTICATED")
    assert is_revoked(second)


def test_a_key_revives_no_revoked_family_and_a_malformed_key_revokes_none():
    first = log_in()
    assert wrong_fields(post("token/refresh", {"refresh": first}, "")) == ["Idempotency-Key"]
    second = exchange(first, key="k")
    post("token/revoke", {"refresh": second})
    refused(post("token/refresh", {"refresh": first}, "k"), 401, "UNAUTHENTICATED")


def by_set_password(user, client):
    user.set_password("another one altogether")
    user.save()


def by_command(user, client):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("getpass.getpass", Mock(return_value="another one altogether"))
        call_command("changepassword", user.username, verbosity=0)


def by_admin(user, client):
    new = {"password1": "another one altogether", "password2": "another one altogether", "usable_password": "true"}
    assert client.post(f"/admin/auth/user/{user.pk}/password/", new).status_code == 302


@pytest.mark.parametrize("change", [by_set_password, by_command, by_admin])
def test_a_change_of_password_revokes_all_families_of_the_user(carol, change):
    untouched, rotated = log_in(), exchange(log_in())
    get_user_model().objects.create_superuser("root", password="toor")
    get_user_model().objects.create_user("dave", password=WHO["password"])
    daves = log_in(username="dave")
    client = Client()
    client.force_login(get_user_model().objects.get(username="root"))
    change(carol, client)
    assert is_revoked(untouched)
    assert is_revoked(rotated)
    exchange(daves)
    exchange(log_in(password="another one altogether"))


def test_the_same_password_set_anew_is_a_change_too(carol):
    token = log_in()
    carol.set_password(WHO["password"])
    carol.save()
    assert is_revoked(token)


def test_a_new_secret_key_revokes_no_family_while_the_old_one_is_a_fallback(settings):
    first, other = log_in(), log_in()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "x" * 50
    second = exchange(first)
    settings.SECRET_KEY_FALLBACKS = []
    exchange(second)
    assert is_revoked(other)


def test_a_new_user_does_not_inherit_tokens_of_a_deleted_user_of_that_name(carol):
    old, hashed = log_in(), carol.password
    carol.delete()
    get_user_model().objects.create(username="carol", password=hashed)
    assert is_revoked(old)


def test_a_token_of_an_earlier_build_is_valid_once_and_starts_a_family(carol):
    claims = new_claims(REFRESH, "carol")
    OutstandingToken.objects.create(user=carol, jti=claims["jti"], token="", expires_at=timezone.now())
    old = conf().signing_keys.sign(claims)
    new = exchange(exchange(old))
    carol.set_password("another one altogether")
    carol.save()
    assert is_revoked(new)
    assert is_revoked(old)


def test_a_family_is_one_row_however_often_it_is_exchanged():
    token = log_in()
    for _ in range(3):
        token = exchange(token)
    (family,) = OutstandingToken.objects.all()
    assert family.expires_at.timestamp() == claims_of(token)["exp"]
    assert token.rpartition(".")[2] not in family.token
    BlacklistedToken.objects.create(token=family)  # as in the admin
    assert is_revoked(token)


def test_a_change_of_password_needs_no_signal():
    """No signal: what writes to the database in whatever way is enough."""
    token = log_in()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auth_user SET password = 'md5$x$y' WHERE username = 'carol'")
    assert is_revoked(token)
