"""The audit in the admin: read-only, and fast for a history of any length."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Max, Min, Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html

from audit.keeping_admin import HoldActions
from audit.models import SyncCommit, SyncEvent, SyncLabel, SyncParticipant, SyncSession
from synckairos.admin_display import FormattedAdmin
from synckairos.conf import conf
from synckairos.ids import parse_uuid

MAX_COUNTED = 10_000
"""Largest number of rows that a list counts and pages through; dates and filters lead further back."""
SESSION_FILTER = "session__id__exact"
"""Query parameter that limits a list to one session."""
INLINE_ROWS = 50
"""Number of events and participants on the page of their session."""
_HEX_SHOWN = 16
"""Hexadecimal digits of a hash that a page shows: enough to compare by eye."""
_LONGEST_PERIOD = {"year": timedelta(days=366), "month": timedelta(days=31), "day": timedelta(days=1)}


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts rows up to MAX_COUNTED, since a full count reads the whole index."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most MAX_COUNTED."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MAX_COUNTED].count())


class DateHierarchyQuerySet(QuerySet[Any]):
    """Returns every period from the first row to the last, including empty ones, since both bounds are in the index."""

    def datetimes(self, field_name: str, kind: str, order: str = "ASC", tzinfo: tzinfo | None = None) -> Any:
        """Return the starts of years, months or days, in UTC, in ascending order whatever `order` is."""
        bounds = self.order_by().aggregate(first=Min(field_name), last=Max(field_name))
        if bounds["first"] is None:
            return []
        return list(_period_starts(kind, bounds["first"].astimezone(UTC), bounds["last"]))


def _period_starts(kind: str, first: datetime, last: datetime) -> Iterator[datetime]:
    start = _period_start(kind, first)
    while start <= last:
        yield start
        start = _period_start(kind, start + _LONGEST_PERIOD[kind])


def _period_start(kind: str, instant: datetime) -> datetime:
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "day":
        return midnight
    return midnight.replace(day=1) if kind == "month" else midnight.replace(month=1, day=1)


class ReadOnly:
    """Denies additions, changes and deletions in the admin."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


class LimitedFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """The first INLINE_ROWS rows of an inline."""

    def get_queryset(self) -> Any:
        if not hasattr(self, "_limited"):
            self._limited = list(super().get_queryset()[:INLINE_ROWS])
        return self._limited


class LimitedInline(FormattedAdmin, ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """The first rows of a session, with a link to all of them."""

    formset = LimitedFormSet
    extra = 0
    show_change_link = True
    noun, which = "", ""

    def set_heading(self, session: SyncSession) -> None:
        """Set the heading: the number of rows, and the link to all of them."""
        total = self.count(session)
        more = total - INLINE_ROWS
        shown = f"{total}" if more <= 0 else f"{self.which} {INLINE_ROWS} of {total}"
        link = format_html(
            '<a href="{}" style="color: inherit; text-decoration: underline">{}</a>',
            changelist_url(self.model, session),
            "in a list" if more <= 0 else f"{more} more, in order",
        )
        self.verbose_name_plural = format_html("{}: {}; {}", self.noun, shown, link)

    def count(self, session: SyncSession) -> int:
        """Return the number of rows of a session."""
        raise NotImplementedError


class LatestEvents(LimitedInline):
    model = SyncEvent
    fields = ("sequence", "version", "type", "at", "committed_at", "principal")  # the rest is a click away
    ordering = ("-sequence",)
    noun, which = "events", "the latest"

    def count(self, session: SyncSession) -> int:
        """Return the number of events: they are numbered without gaps, so a long history need not be counted."""
        ends = session.events.aggregate(first=Min("sequence"), last=Max("sequence"))
        return 0 if ends["first"] is None else ends["last"] - ends["first"] + 1


class Participants(LimitedInline):
    model = SyncParticipant
    fields = (
        *("participant_index", "participant_id", "group_id", "user_id"),
        *("total_time_ms", "time_used_ms", "cycle_count", "has_expired", "version"),
    )
    ordering = ("participant_index",)
    bad_flags = ("has_expired",)
    noun, which = "participants", "the first"

    def count(self, session: SyncSession) -> int:
        """Return the number of participants, a thousand at most."""
        return session.participants.count()


class Labels(FormattedAdmin, ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """The labels of a session, a few at most."""

    model = SyncLabel
    fields = ("key", "value")
    ordering = ("key",)
    extra = 0


def changelist_url(model: type[Model], session: SyncSession) -> str:
    """Return the address of the list of rows of a session."""
    name = model._meta.model_name  # noqa: SLF001 - public in spite of its name
    return f"{reverse(f'admin:audit_{name}_changelist')}?{SESSION_FILTER}={session.pk}"


class HistoryAdmin(FormattedAdmin, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """The base of the lists. The search accepts a session id, or the whole name of a principal."""

    list_per_page = 100
    paginator = CappedPaginator
    show_full_result_count = False
    search_help_text = "Session id, or the exact name of a principal"
    search_fields = ("pk",)
    """Enables the search box; `get_search_results` searches."""
    by_session_id = ""
    by_principal = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return DateHierarchyQuerySet(self.model)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Redirect to the events of the session, since rows have no edits of their own."""
        found = self.get_object(request, unquote(object_id))
        if found is None or not self.has_view_permission(request, found):
            raise PermissionDenied
        session = found if isinstance(found, SyncSession) else found.session
        return HttpResponseRedirect(changelist_url(SyncEvent, session))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        session_id = parse_uuid(term)
        wanted = {self.by_principal: term} if session_id is None else {self.by_session_id: session_id}
        return queryset.filter(**wanted), False


@admin.register(SyncSession)
class SyncSessionAdmin(HoldActions, HistoryAdmin):
    list_display = (
        *("session_id", "epoch", "sync_mode", "status", "version", "cycle_number"),
        *("created_by", "created_at", "updated_at", "deleted_at", "restored_as", "legal_hold"),
    )
    list_filter = ("status", "sync_mode", ("deleted_at", admin.EmptyFieldListFilter), "legal_hold")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    inlines = (LatestEvents, Participants)
    by_session_id = "session_id"
    by_principal = "owner"

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the inlines, with headings that give the number of rows."""
        inlines = super().get_inline_instances(request, obj)
        if conf().metadata_index:
            inlines.append(Labels(self.model, self.admin_site))
        for inline in inlines:
            if obj is not None and isinstance(inline, LimitedInline):
                inline.set_heading(obj)
        return inlines


@admin.register(SyncEvent)
class SyncEventAdmin(HistoryAdmin):
    list_display = ("sequence", "type", "session", "version", "at", "committed_at", "principal", "request_id")
    list_filter = ("type",)
    list_select_related = ("session",)
    date_hierarchy = "at"
    by_session_id = "session__session_id"
    by_principal = "principal"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest events first; the events of one session in their order."""
        return ("sequence",) if SESSION_FILTER in request.GET else ("-at", "-id")


@admin.register(SyncCommit)
class SyncCommitAdmin(HistoryAdmin):
    list_display = (
        *("version", "session", "since_version", "committed_at", "principal", "role", "door", "address_text"),
        *("user_agent_text", "request_id", "digest_text"),
    )
    list_filter = ("door", "role")
    list_select_related = ("session",)
    fields = (
        *("session", "since_version", "version", "committed_at", "principal", "role", "door", "request_id"),
        *("client_key_text", "address_text", "user_agent_text", "previous_text", "digest_text"),
    )
    by_session_id = "session__session_id"
    by_principal = "principal"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest commits first; those of one session in their order."""
        return ("version",) if SESSION_FILTER in request.GET else ("-pk",)

    @admin.display(description="address (hash)")
    def address_text(self, commit: SyncCommit) -> str:
        """Return the keyed hash of the client's address."""
        return _hex(commit.address)

    @admin.display(description="user agent (hash)")
    def user_agent_text(self, commit: SyncCommit) -> str:
        """Return the keyed hash of the user agent."""
        return _hex(commit.user_agent)

    @admin.display(description="client's key (hash)")
    def client_key_text(self, commit: SyncCommit) -> str:
        """Return the keyed hash of the Idempotency-Key or the id of the frame."""
        return _hex(commit.client_key)

    @admin.display(description="digest before")
    def previous_text(self, commit: SyncCommit) -> str:
        """Return the digest of the commit before."""
        return _hex(commit.previous)

    @admin.display(description="digest")
    def digest_text(self, commit: SyncCommit) -> str:
        """Return the digest of the commit."""
        return _hex(commit.digest)


def _hex(value: Any) -> str:
    """Return the beginning of binary data; a dash for none."""
    return bytes(value).hex()[:_HEX_SHOWN] if value else "-"


@admin.register(SyncParticipant)
class SyncParticipantAdmin(HistoryAdmin):
    list_display = (
        *("participant_id", "session", "participant_index", "user_id"),
        *("total_time_ms", "time_used_ms", "cycle_count", "has_expired"),
    )
    list_select_related = ("session",)
    bad_flags = ("has_expired",)
    search_help_text = "Session id, or the exact id of a user"
    by_session_id = "session__session_id"
    by_principal = "user_id"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest participants first; those of one session in their order."""
        return ("participant_index",) if SESSION_FILTER in request.GET else ("-id",)
