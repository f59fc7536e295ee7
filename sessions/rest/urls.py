"""Paths of the session and token endpoints, under `/v1/`."""

from __future__ import annotations

from django.urls import path

from sessions.rest import credential_views, event_views, export_views, token_views, views

_ID = "sessions/<str:session_id>"

urlpatterns = [
    path("token", token_views.TokenView.as_view()),
    path("token/refresh", token_views.RefreshView.as_view()),
    path("token/revoke", token_views.RevokeView.as_view()),
    path("ws-tickets", credential_views.TicketsView.as_view()),
    path("exports/events", export_views.EventsExportView.as_view()),
    path("sessions", views.SessionsView.as_view()),
    path("sessions/batch", views.BatchView.as_view()),
    path(_ID, views.SessionView.as_view()),
    *(path(f"{_ID}/{verb}", view.as_view()) for verb, view in views.COMMAND_VIEWS.items()),
    path(f"{_ID}/events", event_views.EventsView.as_view()),
    path(f"{_ID}/summary", views.SummaryView.as_view()),
    path(f"{_ID}/presence", views.PresenceView.as_view()),
    path(f"{_ID}/tokens", credential_views.SessionTokensView.as_view()),
    path(f"{_ID}/tokens/<str:token_id>", credential_views.OneSessionTokenView.as_view()),
    path(f"{_ID}/participants", views.ParticipantsView.as_view()),
    path(f"{_ID}/participants/<str:participant_id>", views.ParticipantView.as_view()),
]
