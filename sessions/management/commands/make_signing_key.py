"""`manage.py make_signing_key`: a new private key for SYNCKAIROS_SIGNING_KEYS on standard output, and nothing else."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from synckairos.auth.signing_keys import generate_pem


class Command(BaseCommand):
    help = "Print a new private key (Ed25519, PEM) that can sign tokens."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(generate_pem(), ending="")
