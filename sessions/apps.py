"""The app. Its label is its own, because Django's session app owns `sessions`."""

from django.apps import AppConfig


class SyncSessionsConfig(AppConfig):
    name = "sessions"
    label = "sync_sessions"
    verbose_name = "Sync sessions"
