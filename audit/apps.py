"""The Django app, with its name in the admin."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from audit.retention_role import make_role


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit of sync sessions"

    def ready(self) -> None:
        """Have every migration make the role for retention, on databases that know roles."""
        post_migrate.connect(make_role, sender=self)
