"""Passwords are guessed slowly: token views and the admin's login are limited by address and by name."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from synckairos.auth import refresh_tokens
from synckairos.conf import Rate
from tests.talk import refused

pytestmark = pytest.mark.django_db
WHO = {"username": "carol", "password": "correct horse battery staple"}
WRONG = {**WHO, "password": "guess"}


@pytest.fixture(autouse=True)
def carol(settings, configure):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    configure(rate_token=Rate(2, 3_600_000))
    return get_user_model().objects.create_user(is_staff=True, **WHO)


def post(door, body, address="1.1.1.1"):
    return Client(REMOTE_ADDR=address).post(f"/v1/{door}", body, content_type="application/json")


def login(body, address="1.1.1.1"):
    return Client(REMOTE_ADDR=address).post("/admin/login/", {**body, "next": "/admin/"})


def fresh(user):
    return {"refresh": refresh_tokens.issue_pair(user)["refresh"]}


def slowed(answer, limit):
    """Assert a 429 that names the limit."""
    refused(answer, 429, "RATE_LIMIT_EXCEEDED")
    assert 1790 <= int(answer.headers["Retry-After"]) <= 1800
    assert f'"{limit}";r=0;t={answer.headers["Retry-After"]}' in answer.headers["RateLimit"]
    return True


def test_logins_are_limited_by_address():
    for name in "ab":
        refused(post("token", {**WRONG, "username": name}), 401, "UNAUTHENTICATED")
    assert slowed(post("token", WHO), "token-address")
    assert slowed(post("token/refresh", {"refresh": "x"}), "token-address")
    assert slowed(login(WHO), "token-address")
    assert post("token", WHO, "2.2.2.2").status_code == 200


def test_logins_are_limited_by_name_from_all_addresses():
    answers = [post("token", WRONG, f"1.1.1.{place}") for place in range(3)]
    assert [answer.status_code for answer in answers[:2]] == [401, 401]
    policies = '"token-address";q=2;w=3600, "token-name";q=2;w=3600'
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {policies}
    assert slowed(answers[2], "token-name")
    assert slowed(login(WHO, "1.1.2.1"), "token-name")
    refused(post("token", {**WRONG, "username": "dave"}, "1.1.2.2"), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("spelling", [" carol", "carol\t", "\uff43arol"])
def test_another_spelling_of_a_name_cannot_log_in(spelling):
    other = {**WHO, "username": spelling}
    assert "Please enter the correct username" in login(other, "1.1.1.1").text
    refused(post("token", other, "1.1.1.2"), 401, "UNAUTHENTICATED")
    assert login(WHO, "1.1.1.3").status_code == 302


def test_a_password_is_not_trimmed(carol):
    carol.set_password(" spaces are letters ")
    carol.save()
    answers = [post("token", {**WHO, "password": said}) for said in (" spaces are letters ", "spaces are letters")]
    assert [answer.status_code for answer in answers] == [200, 401]


def test_a_number_is_refused_as_a_name():
    error = refused(post("token", {**WRONG, "username": 7}), 400, "VALIDATION_ERROR")
    assert [wrong["field"] for wrong in error["details"]] == ["username"]


def test_staff_can_log_in_to_the_admin_within_the_limit():
    answer = login(WHO)
    assert answer.headers["Location"] == "/admin/"
    assert answer.headers["RateLimit"] == '"token-address";r=1;t=1800, "token-name";r=1;t=1800'
    assert [Client().get("/admin/login/").status_code for _ in range(4)] == [200] * 4


def test_guessed_passwords_do_not_block_refreshes_of_the_user(carol):
    for place in range(3):
        post("token", WRONG, f"1.1.1.{place}")
    answers = [post("token/refresh", fresh(carol), f"2.2.2.{place}") for place in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert slowed(answers[2], "refresh-name")


def test_a_forged_refresh_token_does_not_count_for_its_name(carol):
    head, claims, signature = fresh(carol)["refresh"].split(".")
    for place in range(3):
        refused(
            post("token/refresh", {"refresh": f"{head}.{claims}.{signature[::-1]}"}, f"1.1.1.{place}"),
            401,
            "UNAUTHENTICATED",
        )
    assert post("token/refresh", fresh(carol), "2.2.2.2").status_code == 200


@pytest.mark.parametrize("body", [{}, [], {"username": [1], "password": "x"}, {"refresh": []}])
@pytest.mark.parametrize("door", ["token", "token/refresh"])
def test_a_malformed_body_counts_for_its_address(door, body):
    for _ in range(2):
        refused(post(door, body), 400, "VALIDATION_ERROR")
    assert slowed(post(door, body), "token-address")


def test_other_methods_do_not_count():
    for _ in range(3):
        assert Client(REMOTE_ADDR="1.1.1.1").get("/v1/token").status_code == 405
    assert post("token", WHO).status_code == 200
