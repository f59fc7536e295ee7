"""Legal holds, pruned sessions and erasures in the admin: lists that nobody changes, and the action that holds."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.holds import MAX_REASON_LENGTH, HoldRefused, set_hold
from audit.models import SyncErasure, SyncHold, SyncPruned, SyncSession
from synckairos.admin_display import FormattedAdmin
from synckairos.ids import parse_uuid

HOLD_PERMISSION = "audit.hold_syncsession"


class ReasonForm(ActionForm):
    """The choice of an action, with the reason that holds and releases need."""

    reason = forms.CharField(max_length=MAX_REASON_LENGTH, required=False, label="Reason: ")


class HoldActions:
    """The actions of sessions that place them under legal hold and release them, for those who have the permission."""

    action_form = ReasonForm
    actions: Any = ("hold", "release")

    def has_hold_permission(self, request: HttpRequest) -> bool:
        """Return true for a user who may decide about legal holds."""
        return bool(request.user.has_perm(HOLD_PERMISSION))

    @admin.action(description="Place under legal hold", permissions=["hold"])
    def hold(self, request: HttpRequest, sessions: QuerySet[SyncSession]) -> None:
        """Place the chosen sessions under legal hold."""
        self._decide(request, sessions, is_held=True)

    @admin.action(description="Release from legal hold", permissions=["hold"])
    def release(self, request: HttpRequest, sessions: QuerySet[SyncSession]) -> None:
        """Release the chosen sessions from legal hold."""
        self._decide(request, sessions, is_held=False)

    def _decide(self, request: HttpRequest, sessions: QuerySet[SyncSession], *, is_held: bool) -> None:
        reason = request.POST.get("reason", "").strip()[:MAX_REASON_LENGTH]
        if not reason:
            messages.error(request, "Say the reason: it is recorded with your name.")
            return
        done = 0
        for session_id in set(sessions.values_list("session_id", flat=True)):
            try:
                set_hold(session_id, is_held=is_held, reason=reason, by=request.user.get_username())
                done += 1
            except HoldRefused as refused:
                messages.warning(request, f"{session_id}: {refused}")
        messages.success(request, f"{'Under legal hold' if is_held else 'Released'}: {done}")


class RecordAdmin(FormattedAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list of records that nobody adds to, changes or deletes."""

    list_per_page = 100
    show_full_result_count = False
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return false for everybody, as do those for changes and deletions."""
        return False

    has_change_permission = has_delete_permission = has_add_permission


class BySession(RecordAdmin):
    """Records of sessions, which the search finds by session id."""

    search_fields = ("session_id",)
    search_help_text = "Session id"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the records of the session with this id."""
        term = search_term.strip()
        if not term:
            return queryset, False
        session_id = parse_uuid(term)
        return (queryset.none() if session_id is None else queryset.filter(session_id=session_id)), False


@admin.register(SyncHold)
class SyncHoldAdmin(BySession):
    list_display = ("session_id", "is_held", "reason", "by", "at")


@admin.register(SyncPruned)
class SyncPrunedAdmin(BySession):
    list_display = ("session_id", "epoch", "version", "digest_text", "pruned_at", "pruned_by")
    fields = ("session_id", "epoch", "version", "digest_text", "pruned_at", "pruned_by")

    @admin.display(description="last digest")
    def digest_text(self, pruned: SyncPruned) -> str:
        """Return the digest of the last commit in hexadecimal digits; a dash for none."""
        return "-" if pruned.digest is None else bytes(pruned.digest).hex()


@admin.register(SyncErasure)
class SyncErasureAdmin(RecordAdmin):
    list_display = ("at", "person_text", "by", "sessions", "values", "completed_at")
    fields = ("at", "person_text", "by", "sessions", "values", "completed_at")

    @admin.display(description="person (hash)")
    def person_text(self, erasure: SyncErasure) -> str:
        """Return the keyed hash of the person."""
        return bytes(erasure.person).hex()
