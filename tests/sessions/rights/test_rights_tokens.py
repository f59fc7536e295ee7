"""Session tokens: a role in one session, for a while, until it is taken back."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import pytest
from websockets.asyncio.client import connect

from synckairos.auth import grants
from synckairos.auth.grants import Role, SessionGrant
from synckairos.auth.names import SESSION_TOKEN_PREFIX
from synckairos.auth.principal import SESSION, authenticate, mint, mint_session_token, validity_from_now
from synckairos.errors import Unauthenticated
from tests.conftest import bearer
from tests.forging import us
from tests.sessions.rights import cast
from tests.sessions.rights.cast import DOORS, Stage
from tests.sockets import screen
from tests.talk import at, created, done, game, ms, refused, wrong_fields


def test_a_token_says_what_it_is_for(stage):
    before_s = time.time()
    given = stage.given(role="participant", participant_id=stage.joan["participant_id"], lifetime_ms=60_000)
    assert before_s + 59 <= ms(given["expires_at"]) / 1000 <= time.time() + 61
    assert given | {"token": "", "token_id": "", "expires_at": ""} == {
        "token": "",
        "token_id": "",
        "session_id": stage.id,
        "role": "participant",
        "participant_id": stage.joan["participant_id"],
        "expires_at": "",
    }
    principal = authenticate(given["token"])
    assert principal.subject == f"session-token:{given['token_id']}"
    assert not principal.is_staff


def test_a_viewer_has_no_seat_and_twelve_hours(stage):
    before_s = time.time()
    given = stage.given(role="viewer")
    assert "participant_id" not in given
    assert before_s - 1 <= ms(given["expires_at"]) / 1000 - 12 * 3600 <= time.time() + 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["role"]),
        ({"role": "owner"}, ["role"]),
        ({"role": "staff"}, ["role"]),
        ({"role": "participant"}, ["participant_id"]),
        ({"role": "viewer", "participant_id": cast.id_of_nobody()}, ["participant_id"]),
        ({"role": "viewer", "lifetime_ms": 999}, ["lifetime_ms"]),
        ({"role": "viewer", "lifetime_ms": 7 * 86_400_000 + 1}, ["lifetime_ms"]),
        ({"role": "viewer", "surprise": 1}, ["surprise"]),
    ],
)
def test_what_makes_no_token_is_named(api, stage, body, fields):
    assert wrong_fields(api.post(stage.at("tokens"), json=body)) == fields


def test_a_participant_who_is_not_there_gets_none(api, stage):
    body = {"role": "participant", "participant_id": cast.id_of_nobody()}
    refused(api.post(stage.at("tokens"), json=body), 404, "PARTICIPANT_NOT_FOUND")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.method} {door.path}")
@pytest.mark.parametrize("other", ["private", "public", "none"])
def test_on_another_session_it_is_no_credential(api, stage, door, other):
    token = stage.given(role="controller")["token"]
    elsewhere = Stage(api, {} if other == "none" else {"visibility": other}).do(*door.ready)
    if other == "none":
        elsewhere.id = cast.id_of_nobody()
    assert refused(door.knock(api, elsewhere, token), 401, "UNAUTHENTICATED") == NO_WORD


NO_WORD = {"code": "UNAUTHENTICATED", "message": Unauthenticated.message}


async def test_on_another_session_it_opens_no_socket_stream_or_ticket(api, webs, stage, public):
    token = stage.given(role="controller")["token"]
    async with screen(webs[0], public.id, token) as socket:
        assert await socket.closed() == (4501, "UNAUTHENTICATED")
    assert refused(api.get(public.at("stream"), headers=bearer(token)), 401, "UNAUTHENTICATED") == NO_WORD
    ticket = api.post("/v1/ws-tickets", json={"session_id": public.id}, headers=bearer(token))
    assert refused(ticket, 401, "UNAUTHENTICATED") == NO_WORD


async def test_with_a_ticket_it_opens_a_socket_of_its_own_session(api, webs, stage):
    token = stage.given(role="participant", participant_id=stage.ada["participant_id"])["token"]
    answer = api.post("/v1/ws-tickets", json={"session_id": stage.id}, headers=bearer(token))
    stage.do("start")
    address = f"{webs[1].ws_url}/ws?sessionId={stage.id}&ticket={answer.json()['data']['ticket']}"
    async with connect(address) as socket:
        await socket.recv()
        await socket.send('{"type": "SWITCH", "id": "mine"}')
        texts = [await socket.recv() for _ in range(2)]
        assert any('"ACK"' in text for text in texts)


def test_it_makes_no_sessions(api, stage):
    token = stage.given(role="controller")["token"]
    refused(api.post("/v1/sessions", json=game(), headers=bearer(token)), 403, "FORBIDDEN")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.method} {door.path}")
def test_a_revoked_token_is_no_credential_at_any_door_of_any_process(api, other_api, stage, door):
    stage.do(*door.ready)
    given = stage.given(role="controller")
    for client in (api, other_api):  # both have seen it, and know it
        assert client.get(stage.at(), headers=bearer(given["token"])).status_code == 200
    assert api.delete(stage.at("tokens", given["token_id"])).status_code == 204
    for client in (api, other_api):
        assert refused(door.knock(client, stage, given["token"]), 401, "UNAUTHENTICATED") == NO_WORD


def test_revoking_one_leaves_the_others_and_revoking_all_leaves_none_but_new_ones(api, stage):
    one, two, three = (stage.given(role="viewer") for _ in range(3))

    def good(given):
        return api.get(stage.at(), headers=bearer(given["token"])).status_code

    for _ in range(2):  # twice is once
        assert api.delete(stage.at("tokens", one["token_id"])).status_code == 204
    assert [good(given) for given in (one, two, three)] == [401, 200, 200]
    assert done(api.get(stage.at()))["version"] == 5  # each grant is a version, and so is the revocation
    assert api.delete(stage.at("tokens")).status_code == 204
    assert [good(given) for given in (one, two, three, stage.given(role="viewer"))] == [401, 401, 401, 200]


def test_a_session_that_is_over_still_takes_its_tokens_back(api, stage):
    given = stage.given(role="viewer")
    stage.do("complete")
    assert api.delete(stage.at("tokens", given["token_id"])).status_code == 204
    refused(api.get(stage.at(), headers=bearer(given["token"])), 401, "UNAUTHENTICATED")


def test_an_id_that_is_none_is_named(api, stage):
    assert wrong_fields(api.delete(stage.at("tokens", "x"))) == ["token_id"]


def test_a_session_made_anew_under_the_same_id_knows_no_token_of_the_old_one(api, stage):
    given = stage.given(role="controller")
    assert api.delete(stage.at()).status_code == 204
    refused(api.get(stage.at(), headers=bearer(given["token"])), 404, "SESSION_NOT_FOUND")
    created(api, game(session_id=stage.id, visibility="public"))
    refused(api.get(stage.at(), headers=bearer(given["token"])), 401, "UNAUTHENTICATED")


def test_a_repeat_after_the_revocation_gets_no_first_answer(api, stage):
    stage.do("start")
    given = stage.given(role="controller")
    headers = bearer(given["token"]) | {"Idempotency-Key": "k"}
    done(api.post(stage.at("switch"), headers=headers))
    api.delete(stage.at("tokens"))
    refused(api.post(stage.at("switch"), headers=headers), 401, "UNAUTHENTICATED")


def test_nobody_but_the_owner_and_staff_gives_or_takes_back(api, stage):
    controller = stage.given(role="controller")["token"]
    for answer in (
        api.post(stage.at("tokens"), json={"role": "controller"}, headers=bearer(controller)),
        api.delete(stage.at("tokens"), headers=bearer(controller)),
    ):
        refused(answer, 403, "FORBIDDEN")


async def test_an_open_socket_is_closed_when_its_token_is_revoked(api, webs, stage):
    given = stage.given(role="viewer")
    async with (
        screen(webs[0], stage.id, given["token"]) as one,
        screen(webs[1], stage.id, given["token"]) as two,
        screen(webs[1], stage.id, mint("alice", is_staff=False)) as owner,
    ):
        for socket in (one, two, owner):
            await socket.until("CONNECTED")
        api.delete(stage.at("tokens", given["token_id"]))
        assert await one.closed() == await two.closed() == (4501, "Credentials revoked")
        events = (await owner.until("STATE_UPDATE"))["events"]
        assert [(event["type"], event["token_id"]) for event in events] == [("access.revoked", given["token_id"])]


async def test_a_fresh_token_for_the_same_seat_renews_the_socket_and_one_for_another_does_not(webs, stage):
    old, fresh = (stage.given(role="participant", participant_id=stage.ada["participant_id"]) for _ in range(2))
    other = stage.given(role="participant", participant_id=stage.joan["participant_id"])
    async with screen(webs[0], stage.id, old["token"]) as socket:
        for given in (other, stage.given(role="viewer"), {"token": mint("ada", is_staff=False)}):
            await socket.send(type="AUTH", id="no", token=given["token"])
            assert (await socket.until("ERROR", id="no"))["code"] == "FORBIDDEN"
        await socket.send(type="AUTH", id="yes", token=fresh["token"])
        assert (await socket.until("ACK", id="yes"))["data"] == {"expires_at": fresh["expires_at"]}


GRANT = SessionGrant(UUID(int=1), "0" * 8, Role.VIEWER, "0" * 32)


def forged(**claims):
    """A token that we have signed, with these claims; None leaves one out."""
    of_a_token = {"sub": f"{SESSION_TOKEN_PREFIX}{GRANT.token_id}", "token_type": SESSION}
    return us().token(**of_a_token | grants.to_claims(GRANT) | claims)


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "owner"},
        {"role": "staff"},
        {"role": "participant"},
        {"role": "viewer", "pid": str(UUID(int=2))},
        {"role": None},
        {"sid": "everywhere"},
        {"sid": None},
        {"epoch": None},
        {"jti": 7},
        {"gen": "1"},
        {"sub": "alice"},
        {"sub": f"{SESSION_TOKEN_PREFIX}{'1' * 32}"},
    ],
)
def test_a_token_that_says_nothing_sensible_is_none(claims):
    assert authenticate(forged()).grant == GRANT
    with pytest.raises(Unauthenticated):
        authenticate(forged(**claims))


def test_a_grant_survives_the_token():
    for grant in (GRANT, SessionGrant(UUID(int=1), "e", Role.PARTICIPANT, "t", 3, UUID(int=2))):
        good = validity_from_now(SESSION, timedelta(seconds=60))
        token = mint_session_token(grant, good)
        assert authenticate(token).grant == grant
        assert authenticate(token).expires_s == good.expires_s


def test_an_expired_one_is_over(api, stage):
    grant = authenticate(stage.given(role="viewer")["token"]).grant
    late = mint_session_token(grant, validity_from_now(SESSION, timedelta(seconds=-1)))
    refused(api.get(stage.at(), headers=bearer(late)), 401, "UNAUTHENTICATED")


def test_tokens_of_one_session_do_not_count_for_another(api):
    """Each is good where it was given out, and at() says where that is."""
    stages = [Stage(api) for _ in range(2)]
    tokens = [stage.given(role="viewer")["token"] for stage in stages]
    seen = [[api.get(at(s.state), headers=bearer(t)).status_code for s in stages] for t in tokens]
    assert seen == [[200, 401], [401, 200]]
