"""Token endpoints and the admin's login, on the audit database."""

from __future__ import annotations

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from synckairos.principal import authenticate
from tests.sessions.rest.talk import created, game, refused

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


def test_the_token_opens_every_process(carol, api, other_api):
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


def test_who_is_switched_off_gets_no_token(carol):
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


def test_a_refresh_token_gives_another_access_token(carol):
    answer = post("token/refresh", {"refresh": post("token", WHO).json()["refresh"]})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access"}
    assert authenticate(answer.json()["access"]).subject == "carol"


def test_a_refresh_decides_anew_who_is_staff(carol):
    refresh = post("token", WHO).json()["refresh"]
    carol.is_staff = True
    carol.save()
    promoted = post("token/refresh", {"refresh": refresh}).json()["access"]
    assert authenticate(promoted).is_staff is True
    refresh = post("token", WHO).json()["refresh"]
    carol.is_staff = False
    carol.save()
    assert authenticate(post("token/refresh", {"refresh": refresh}).json()["access"]).is_staff is False


def test_who_is_gone_gets_no_new_token(carol):
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
    assert set(claims) == {"token_type", "exp", "iat", "jti", "sub"}


def test_staff_can_log_in_to_the_admin(carol):
    carol.is_staff = True
    carol.save()
    client = Client(enforce_csrf_checks=True)
    page = client.get("/admin/login/")
    assert page.status_code == 200
    form = {**WHO, "csrfmiddlewaretoken": client.cookies["csrftoken"].value, "next": "/admin/"}
    assert client.post("/admin/login/", form).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_form_without_its_token_is_refused(carol):
    assert Client(enforce_csrf_checks=True).post("/admin/login/", WHO).status_code == 403
