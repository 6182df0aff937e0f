"""`manage.py fsck`: derives the whole log again from its rows, says what does not fit, and records that it looked."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit import fsck
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import system


class Command(BaseCommand):
    help = "Derive the whole log again from its rows. Ends with 1 when something does not fit."

    def handle(self, *_: Any, **__: Any) -> None:
        report = fsck.check()
        for line in fsck.lines(report):
            self.stdout.write(line)
        detail = {"how": "fsck", "records": report.records, "findings": report.count}
        with transaction.atomic():
            record(Kind.VERIFICATION_DONE, subject="log", actor=system("command"), team="",
                   outcome="ok" if report.sound else "failed", detail=detail)  # fmt: skip
        if not report.sound:
            raise CommandError("The log does not fit together; see above.")
