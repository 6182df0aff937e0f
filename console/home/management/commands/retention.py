"""`manage.py retention`: what is kept until when, and the end of what is kept no longer."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from audit.retention import Month, count_records, drop_month, listing, tell_policy
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict
from console.home.provision import OWNER

ACTOR = system("retention")


class Command(BaseCommand):
    help = "List the months of the log and drop those that are kept no longer. Run as the migrator."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list, and drop nothing")

    def handle(self, *, dry_run: bool, **_: Any) -> None:
        if not dry_run:
            refuse_others()
            tell_policy(ACTOR)
        refused = False
        for month in listing():
            try:
                self.stdout.write(f"{month}  {fate(month) if dry_run else outcome(month)}")
            except Conflict as refusal:
                self.stdout.write(f"{month}  not dropped: {refusal}")
                refused = True
        if refused:
            raise CommandError("Some months were not dropped; see above.")


def refuse_others() -> None:
    """Only the owner drops tables; the migrator becomes the owner as it connects."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        if cursor.fetchone()[0] != OWNER:
            raise CommandError("Only the migrator drops months: set COUNTERSIGN_DATABASE_URL to its role.")


def fate(month: Month) -> str:
    if month.held_by:
        return f"kept, held by {', '.join(hold.id for hold in month.held_by)}"
    if month.over(now().date()):
        return f"to be dropped: {count_records(month):,} records"
    return f"kept until {month.kept_until}"


def outcome(month: Month) -> str:
    if month.held_by or not month.over(now().date()):
        return fate(month)
    dropped = drop_month(month, actor=ACTOR)
    return f"dropped: {dropped.records:,} records; {dropped.kept:,} kept, as passkeys, names or keys rest on them"
