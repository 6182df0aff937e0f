"""`manage.py fsck`: derives the whole log again from its rows, says what does not fit, and records that it looked."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audit import fsck
from audit.record import record
from audit.signing import SignerClient
from audit.verify import Mismatch, VKey
from audit.vocabulary import Kind
from console.core.actor import system


class Command(BaseCommand):
    help = "Derive the whole log again from its rows. Ends with 1 when something does not fit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--key", action="append", default=[], metavar="VKEY",
                            help="a key of the log, kept outside of the database; each key of each tree")  # fmt: skip

    def handle(self, *_: Any, key: list[str], **__: Any) -> None:
        try:
            given = [VKey.parse(text) for text in key]
        except Mismatch as fault:
            raise CommandError(str(fault)) from fault
        report = fsck.check(given, SignerClient(Path(settings.SIGNER_SOCKET)) if settings.SIGNER_SOCKET else None)
        for line in fsck.lines(report):
            self.stdout.write(line)
        detail = {"how": "fsck", "records": report.records, "findings": report.count}
        with transaction.atomic():
            record(Kind.VERIFICATION_DONE, subject="log", actor=system("command"), team="",
                   outcome="ok" if report.sound else "failed", detail=detail)  # fmt: skip
        if not report.sound:
            raise CommandError("The log does not fit together; see above.")
