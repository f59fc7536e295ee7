"""Token endpoints and the admin's login, on the audit database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jwt
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.tasks import forget_expired_tokens
from synckairos.auth.principal import authenticate
from synckairos.conf import IdentityProvider
from tests.forging import ATTACKS, us
from tests.talk import created, game, refused

pytestmark = pytest.mark.django_db
WHO = {"username": "carol", "password": "correct horse battery staple"}


@pytest.fixture
def carol(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return get_user_model().objects.create_user(**WHO)


def post(path, body):
    return Client().post(f"/v1/{path}", body, content_type="application/json")


def test_a_password_gives_two_tokens(carol):
    answer = post("token", WHO)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access", "refresh"}
    principal = authenticate(answer.json()["access"])
    assert (principal.subject, principal.is_staff) == ("carol", False)


def test_every_process_accepts_the_token(carol, api, other_api):
    header = {"Authorization": f"Bearer {post('token', WHO).json()['access']}"}
    for client in (api, other_api):
        created(client, game(), **header)


def test_staff_is_in_the_token(carol):
    carol.is_staff = True
    carol.save()
    assert authenticate(post("token", WHO).json()["access"]).is_staff is True


@pytest.mark.parametrize(
    "body", [{**WHO, "password": "wrong"}, {**WHO, "username": "dave"}, {**WHO, "username": "CAROL"}]
)
def test_another_name_or_password_is_refused(carol, body):
    answer = post("token", body)
    refused(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_inactive_user_gets_no_token(carol):
    refresh = post("token", WHO).json()["refresh"]
    carol.is_active = False
    carol.save()
    refused(post("token", WHO), 401, "UNAUTHENTICATED")
    refused(post("token/refresh", {"refresh": refresh}), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "body", [{}, [], None, 1, {"username": "carol"}, {"username": [], "password": {}}, {"username": "", "password": ""}]
)
def test_a_wrong_body_is_refused(carol, body):
    refused(post("token", body), 400, "VALIDATION_ERROR")


def test_a_refresh_token_gives_another_pair(carol):
    answer = post("token/refresh", {"refresh": post("token", WHO).json()["refresh"]})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access", "refresh"}
    assert authenticate(answer.json()["access"]).subject == "carol"
    assert post("token/refresh", {"refresh": answer.json()["refresh"]}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_one_of_many_concurrent_uses_of_a_refresh_token_gets_a_pair(carol):
    token = post("token", WHO).json()["refresh"]

    def attempt(_):
        try:
            return post("token/refresh", {"refresh": token}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [200, *[401] * 7]


@pytest.fixture
def issuer(carol):
    """Makes refresh tokens that the database knows."""
    claims = jwt.decode(post("token", WHO).json()["refresh"], options={"verify_signature": False})
    return replace(us(), fixed={name: claims[name] for name in ("token_type", "sub", "jti")})


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("door", ["token/refresh", "token/revoke"])
def test_a_forged_refresh_token_is_refused(issuer, door, attack):
    refused(post(door, {"refresh": ATTACKS[attack](issuer)}), 401, "UNAUTHENTICATED")
    assert post(door, {"refresh": issuer.token()}).status_code in {200, 204}


def test_a_refresh_token_that_was_never_issued_is_refused(carol):
    invented = us().token(token_type="refresh", sub="carol")
    refused(post("token/refresh", {"refresh": invented}), 401, "UNAUTHENTICATED")


def test_the_database_holds_no_token(carol):
    refresh = post("token", WHO).json()["refresh"]
    kept = repr(list(OutstandingToken.objects.values()))
    assert refresh not in kept
    assert refresh.rpartition(".")[2] not in kept


def test_rows_of_expired_families_are_deleted(carol):
    old, used = (post("token", WHO).json()["refresh"] for _ in range(2))
    OutstandingToken.objects.update(expires_at=timezone.now())
    post("token/refresh", {"refresh": used})
    post("token/revoke", {"refresh": old})
    assert (OutstandingToken.objects.count(), BlacklistedToken.objects.count()) == (2, 1)
    forget_expired_tokens()
    assert (OutstandingToken.objects.count(), BlacklistedToken.objects.count()) == (1, 0)
    assert forget_expired_tokens.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_a_user_cannot_have_a_name_that_only_the_identity_provider_gives(carol, configure):
    get_user_model().objects.filter(username="carol").update(username="idp:carol")
    who = WHO | {"username": "idp:carol"}
    assert post("token", who).status_code == 200
    configure(
        provider=IdentityProvider("https://login.example.com", "clocks", "https://login.example.com/jwks", "idp:", None)
    )
    refused(post("token", who), 401, "UNAUTHENTICATED")


def test_a_refresh_reads_again_whether_the_user_is_staff(carol):
    refresh = post("token", WHO).json()["refresh"]
    carol.is_staff = True
    carol.save()
    promoted = post("token/refresh", {"refresh": refresh}).json()["access"]
    assert authenticate(promoted).is_staff is True
    refresh = post("token", WHO).json()["refresh"]
    carol.is_staff = False
    carol.save()
    assert authenticate(post("token/refresh", {"refresh": refresh}).json()["access"]).is_staff is False


def test_a_deleted_user_gets_no_new_token(carol):
    refresh = post("token", WHO).json()["refresh"]
    carol.delete()
    refused(post("token/refresh", {"refresh": refresh}), 401, "UNAUTHENTICATED")


def test_only_a_refresh_token_refreshes(carol):
    pair = post("token", WHO).json()
    for bad in (pair["access"], "garbage", pair["refresh"][:-3]):
        refused(post("token/refresh", {"refresh": bad}), 401, "UNAUTHENTICATED")
    refused(post("token/refresh", {}), 400, "VALIDATION_ERROR")


def test_a_token_holds_nothing_but_its_claims(carol):
    claims = jwt.decode(post("token", WHO).json()["access"], options={"verify_signature": False})
    assert set(claims) == {"token_type", "iss", "aud", "exp", "iat", "nbf", "jti", "sub"}
    assert (claims["iss"], claims["aud"]) == ("synckairos", "synckairos")
    assert claims["exp"] - claims["iat"] == 12 * 3600


def test_staff_can_log_in_to_the_admin(carol):
    carol.is_staff = True
    carol.save()
    client = Client(enforce_csrf_checks=True)
    page = client.get("/admin/login/")
    assert page.status_code == 200
    form = {**WHO, "csrfmiddlewaretoken": client.cookies["csrftoken"].value, "next": "/admin/"}
    assert client.post("/admin/login/", form).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_login_form_without_its_csrf_token_is_refused(carol):
    assert Client(enforce_csrf_checks=True).post("/admin/login/", WHO).status_code == 403
