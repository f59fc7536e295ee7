"""The audit in the admin: for reading only, and quick however long the history is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html

from audit.models import SyncEvent, SyncParticipant, SyncSession
from audit.periods import Periods
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


class LatestEvents(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = SyncEvent
    formset = Few
    fields = ("sequence", "version", "type", "at", "committed_at", "principal", "request_id", "data")
    ordering = ("-sequence",)
    verbose_name_plural = f"latest events (up to {SHOWN})"
    show_change_link = True
    extra = 0


class Participants(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = SyncParticipant
    formset = Few
    fields = (
        *("participant_index", "participant_id", "group_id", "user_id"),
        *("total_time_ms", "time_used_ms", "cycle_count", "has_expired", "version"),
    )
    ordering = ("participant_index",)
    verbose_name_plural = f"participants (up to {SHOWN})"
    extra = 0


class History(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
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
        *("created_by", "created_at", "updated_at", "is_deleted"),
    )
    list_filter = ("status", "sync_mode", ("deleted_at", admin.EmptyFieldListFilter))
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    inlines = (LatestEvents, Participants)
    readonly_fields = ("all_events",)
    by_session_id = "session_id"
    by_principal = "created_by"

    @admin.display(boolean=True, description="deleted")
    def is_deleted(self, session: SyncSession) -> bool:
        return session.deleted_at is not None

    @admin.display(description="all events")
    def all_events(self, session: SyncSession) -> str:
        address = reverse("admin:audit_syncevent_changelist")
        return format_html('<a href="{}?{}={}">in order</a>', address, ONE_SESSION, session.pk)


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
    ordering = ("-id",)
    search_help_text = "Session id, or the exact id of a user"
    by_session_id = "session__session_id"
    by_principal = "user_id"
