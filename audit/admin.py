"""The audit in the admin: for reading only, and quick however long the history is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Max, Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html

from audit.date_hierarchy import Periods
from audit.models import SyncEvent, SyncParticipant, SyncSession
from synckairos.admin_display import FormattedAdmin
from synckairos.ids import parse_uuid

COUNTED = 10_000
"""Rows that a list counts and pages through; further back lead the dates and the filters."""
ONE_SESSION = "session__id__exact"
"""The query parameter that limits a list to one session."""
SHOWN = 50
"""Events and participants shown on the page of their session."""


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than COUNTED: a whole count would read the whole index."""

    @cached_property
    def count(self) -> int:
        """The number of rows, or COUNTED."""
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED].count())


class ReadOnly:
    """Nobody adds to history, changes it, or takes from it."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Few(BaseInlineFormSet):  # type: ignore[type-arg]
    """The first SHOWN rows of an inline."""

    def get_queryset(self) -> Any:
        if not hasattr(self, "_few"):
            self._few = list(super().get_queryset()[:SHOWN])
        return self._few


class Some(FormattedAdmin, ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Some rows of a session, and a way to all of them."""

    formset = Few
    extra = 0
    show_change_link = True
    what, which = "", ""

    def tell(self, session: SyncSession) -> None:
        """Say how many there are, and where."""
        total = self.count(session)
        more = total - SHOWN
        shown = f"{total}" if more <= 0 else f"{self.which} {SHOWN} of {total}"
        way = format_html(
            '<a href="{}" style="color: inherit; text-decoration: underline">{}</a>',
            rows_of(self.model, session),
            "in a list" if more <= 0 else f"{more} more, in order",
        )
        self.verbose_name_plural = format_html("{}: {}; {}", self.what, shown, way)

    def count(self, session: SyncSession) -> int:
        """How many there are."""
        raise NotImplementedError


class LatestEvents(Some):
    model = SyncEvent
    fields = ("sequence", "version", "type", "at", "committed_at", "principal")  # the rest is a click away
    ordering = ("-sequence",)
    what, which = "events", "the latest"

    def count(self, session: SyncSession) -> int:
        """By the number of the last one: they are numbered without gaps, and nobody has to count a long history."""
        return session.events.aggregate(last=Max("sequence"))["last"] or 0


class Participants(Some):
    model = SyncParticipant
    fields = (
        *("participant_index", "participant_id", "group_id", "user_id"),
        *("total_time_ms", "time_used_ms", "cycle_count", "has_expired", "version"),
    )
    ordering = ("participant_index",)
    bad_flags = ("has_expired",)
    what, which = "participants", "the first"

    def count(self, session: SyncSession) -> int:
        """A thousand at most."""
        return session.participants.count()


def rows_of(model: type[Model], session: SyncSession) -> str:
    """The address of the list of what belongs to a session."""
    name = model._meta.model_name  # noqa: SLF001 - public in spite of its name
    return f"{reverse(f'admin:audit_{name}_changelist')}?{ONE_SESSION}={session.pk}"


class History(FormattedAdmin, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """What the lists have in common. The search takes a session id, or else the whole name of a principal."""

    list_per_page = 100
    paginator = CappedPaginator
    show_full_result_count = False
    search_help_text = "Session id, or the exact name of a principal"
    search_fields = ("pk",)
    """Only switches the search box on; `get_search_results` does the work."""
    by_session_id = ""
    by_principal = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return Periods(self.model)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Nobody edits these rows: their history is that of their session."""
        found = self.get_object(request, unquote(object_id))
        if found is None or not self.has_view_permission(request, found):
            raise PermissionDenied
        session = found if isinstance(found, SyncSession) else found.session
        return HttpResponseRedirect(rows_of(SyncEvent, session))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        session_id = parse_uuid(term)
        if session_id is not None:
            return queryset.filter(**{self.by_session_id: session_id}), False
        return queryset.filter(**{self.by_principal: term}), False


@admin.register(SyncSession)
class SyncSessionAdmin(History):
    list_display = (
        *("session_id", "epoch", "sync_mode", "status", "version", "cycle_number"),
        *("created_by", "created_at", "updated_at", "deleted_at"),
    )
    list_filter = ("status", "sync_mode", ("deleted_at", admin.EmptyFieldListFilter))
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    inlines = (LatestEvents, Participants)
    by_session_id = "session_id"
    by_principal = "created_by"

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The inlines, which say how much more there is."""
        inlines = super().get_inline_instances(request, obj)
        for inline in inlines:
            if obj is not None and isinstance(inline, Some):
                inline.tell(obj)
        return inlines


@admin.register(SyncEvent)
class SyncEventAdmin(History):
    list_display = ("sequence", "type", "session", "version", "at", "committed_at", "principal", "request_id")
    list_filter = ("type",)
    list_select_related = ("session",)
    date_hierarchy = "at"
    by_session_id = "session__session_id"
    by_principal = "principal"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Latest first; one session's events as they happened."""
        return ("sequence",) if ONE_SESSION in request.GET else ("-at", "-id")


@admin.register(SyncParticipant)
class SyncParticipantAdmin(History):
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
        """Latest first; those of one session in their order."""
        return ("participant_index",) if ONE_SESSION in request.GET else ("-id",)
