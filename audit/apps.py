"""The Django app, with its name in the admin."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit of sync sessions"
