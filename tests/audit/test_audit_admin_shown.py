"""What staff see in the admin: exact instants, durations as people read them, and ways that lead somewhere."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.urls import reverse
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from audit.models import SyncEvent, SyncParticipant, SyncSession
from synckairos import admin_display
from synckairos.instants import from_datetime
from tests.outboxes import History, creation, drained, post

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 27, 22, 57, 5, 345_000, tzinfo=UTC)
SHOWN = "2026-11-27 22:57:05.345 UTC"
OTHER_INSTANT = re.compile(r"(?:a\.m\.|p\.m\.|midnight|noon)|\d\d:\d\d:\d\d(?! UTC|\.\d{3} UTC|<)")


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def session():
    """A session of 200, whose first player has run out of time."""
    played = History(creation(200), at=from_datetime(AT)).played(3)
    post(*played.entries)
    drained()
    row = SyncSession.objects.get()
    row.participants.filter(participant_index=0).update(has_expired=True, total_time_ms=0, time_used_ms=63_250)
    return row


def page(name, model, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def links(html):
    """Where its links lead, by what they say."""
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>(.*?)</a>', html, re.DOTALL)
    return {re.sub(r"<[^>]+>", "", text).strip(): address.replace("&amp;", "&") for address, text in found}


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (AT, SHOWN),
        (AT.astimezone(timezone(timedelta(hours=9))), SHOWN),
        (AT.replace(microsecond=0), "2026-11-27 22:57:05.000 UTC"),
        (AT.replace(microsecond=999_999), "2026-11-27 22:57:05.999 UTC"),
    ],
)
def test_an_instant_has_its_milliseconds_and_its_zone(moment, expected):
    assert admin_display.instant(moment) == expected


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (0, "0.000 s"),
        (3_250, "3.250 s"),
        (59_999, "59.999 s"),
        (63_250, "1 min 03.250 s"),
        (3_599_999, "59 min 59.999 s"),
        (3_723_250, "1 h 02 min 03.250 s"),
        (86_400_000, "24 h 00 min 00.000 s"),
        (-1_500, "-1.500 s"),
    ],
)
def test_a_duration_is_as_people_read_it(ms, expected):
    assert admin_display.duration(ms) == expected


@pytest.mark.parametrize("model", [SyncSession, SyncEvent])
def test_every_instant_of_lists_pages_and_inlines_is_shown_so(staff, session, model):
    row = session if model is SyncSession else session.events.get(sequence=1)
    for address in (page("changelist", model), page("change", model, row.pk)):
        html = staff.get(address).text
        assert SHOWN in html
        assert not OTHER_INSTANT.search(re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))


def test_durations_are_shown_so_and_their_columns_name_no_unit(staff, session):
    for address in (
        f"{page('changelist', SyncParticipant)}?session__id__exact={session.pk}",
        page("change", SyncSession, session.pk),
        page("change", SyncParticipant, session.participants.get(participant_index=0).pk),
    ):
        html = staff.get(address).text
        assert "1 min 03.250 s" in html
        assert "time ms" not in html.lower()


def test_sessions_are_links_wherever_they_stand(staff, session):
    leads_to = page("change", SyncSession, session.pk)
    for model in (SyncEvent, SyncParticipant):
        for address in (page("changelist", model), page("change", model, model.objects.first().pk)):
            assert links(staff.get(address).text)[str(session)] == leads_to


def test_the_history_of_a_row_is_that_of_its_session(staff, session):
    for row in (session, session.events.first(), session.participants.first()):
        history = links(staff.get(page("change", type(row), row.pk)).text)["History"]
        listed = staff.get(history, follow=True).context["cl"].result_list
        assert [event.sequence for event in listed] == list(range(1, session.events.count() + 1))
    assert staff.get(page("history", SyncSession, 999_999)).status_code == 403


def test_inlines_say_how_many_more_there_are_and_lead_to_all_in_order(staff, session):
    there = links(staff.get(page("change", SyncSession, session.pk)).text)
    seats = staff.get(there["150 more, in order"]).context["cl"]
    assert seats.result_count == 200
    assert [seat.participant_index for seat in seats.result_list] == list(range(100))
    events = staff.get(there["in a list"]).context["cl"]
    assert events.result_count == session.events.count() < 50


def test_a_red_cross_is_for_what_is_bad_and_nothing_good_is_said_of_it(staff, session):
    html = staff.get(page("changelist", SyncParticipant), {"session__id__exact": session.pk}).text
    assert html.count("icon-no.svg") == 1
    assert "icon-yes.svg" not in html
    assert 'alt="has expired"' in html


def test_the_admin_has_our_name_and_picture_and_no_way_to_nowhere(staff):
    html = staff.get("/admin/").text
    assert "<title>Audit and accounts | SyncKairos</title>" in html.replace("\n", "")
    assert "Django" not in re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)
    assert "View site" not in html
    icon = re.search(r'<link rel="icon"[^>]*href="/static/([^"]+)"', html)[1]
    assert finders.find(icon)
    assert staff.get(f"/static/{icon}").headers["Content-Type"] == "image/svg+xml"


def test_users_and_tokens_are_shown_alike(staff):
    user = User.objects.create_user("carol", is_active=False, last_login=AT)
    token = OutstandingToken.objects.create(user=user, jti="j", token="", created_at=AT, expires_at=AT)
    ended = BlacklistedToken.objects.create(token=token)
    BlacklistedToken.objects.filter(pk=ended.pk).update(blacklisted_at=AT)
    users = staff.get(page("changelist", User)).text
    assert [users.count(f"icon-{picture}.svg") for picture in ("yes", "no")] == [1, 1]  # active, and not
    shown = staff.get(page("change", OutstandingToken, token.pk))
    for html in (
        users,
        staff.get(page("changelist", OutstandingToken)).text,
        staff.get(page("changelist", BlacklistedToken)).text,
        shown.text,
    ):
        assert SHOWN in html
        assert not OTHER_INSTANT.search(re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))
        assert links(html)["carol"] == page("change", User, user.pk)
    assert 'value="Save"' not in shown.text
    assert "History" not in links(shown.text)


def test_every_model_that_is_registered_has_a_list_and_a_page(staff, session):
    token = OutstandingToken.objects.create(user=User.objects.get(), jti="j", token="", created_at=AT, expires_at=AT)
    BlacklistedToken.objects.create(token=token)
    for model in admin.site._registry:
        assert staff.get(page("changelist", model)).status_code == 200
        row = model.objects.first()
        if row is not None:
            assert staff.get(page("change", model, row.pk)).status_code == 200
