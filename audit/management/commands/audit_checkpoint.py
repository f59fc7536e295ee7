"""`manage.py audit_checkpoint`: write a checkpoint of all chains that have moved. See docs/consistency.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import checkpoint_log, checkpoints
from audit.checkpoint_log import LogDamaged
from synckairos.auth.signed_notes import note_key
from synckairos.conf import conf


class Command(BaseCommand):
    help = "Write a signed checkpoint of the audit, as the worker does every minute."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--directory", type=Path, default=conf().checkpoint_dir, help="where the checkpoints are")
        parser.add_argument("--key", action="store_true", help="print their public key, and do no more")

    def handle(self, *_args: Any, **options: Any) -> None:
        directory: Path | None = options["directory"]
        if directory is None:
            raise CommandError("SYNCKAIROS_CHECKPOINT_DIR is off: say --directory.")
        try:
            if options["key"]:
                self._print_key(directory)
            else:
                self._make(directory)
        except (LogDamaged, OSError) as error:
            raise CommandError(f"{directory}: {error}") from error

    def _make(self, directory: Path) -> None:
        made = checkpoints.make(directory)
        if made is None:
            raise CommandError("Another process writes a checkpoint now.")
        self.stdout.write(made.checkpoint or "Nothing has changed since the last checkpoint.")

    def _print_key(self, directory: Path) -> None:
        with checkpoint_log.locked(directory, conf().issuer) as opened:
            if opened is None:
                raise CommandError("Another process writes a checkpoint now.")
            if not opened.state.size:
                raise CommandError("There is no checkpoint yet.")
            self.stdout.write(str(note_key(opened.state.origin, conf().signing_keys.keys[0])))
