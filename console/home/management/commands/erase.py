"""`manage.py erase`: the personal values beside all records of one person, for a request under GDPR Art. 17."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.erasure import erase_as_operator, of_person
from console.core.actor import system
from console.core.errors import Refusal


class Command(BaseCommand):
    help = "Erase the personal values beside all records about one person or of what they did."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--subject", required=True, metavar="USER_ID", help="usr_…, as the log names the person")
        parser.add_argument("--basis", default="", help="for the log, such as “GDPR Art. 17, request 12”")
        parser.add_argument("--dry-run", action="store_true", help="list, and erase nothing")

    def handle(self, *, subject: str, basis: str, dry_run: bool, **_: Any) -> None:
        if not dry_run and not basis.strip():
            raise CommandError("Give a --basis: it is what the log tells of why.")
        erased = kept = 0
        for record_id, paths in list(of_person(subject)):
            try:
                if not dry_run:
                    erase_as_operator(record_id, paths, basis, actor=system("command"))
                self.stdout.write(f"{record_id}  {', '.join(paths)}")
                erased += len(paths)
            except Refusal as refusal:
                self.stdout.write(f"{record_id}  kept: {refusal}")
                kept += len(paths)
        self.stdout.write(f"{erased} values {'to be erased' if dry_run else 'erased'}, {kept} kept")
        if kept:
            raise CommandError("Some values were kept; see above.")
