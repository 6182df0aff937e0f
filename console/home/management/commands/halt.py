"""`manage.py halt WHY` stops everything that is sent, for all teams; `--lift` lets it go on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.halts import begin_halt, end_halt
from approvals.models import Halt
from console.core.actor import system
from console.core.errors import Conflict


class Command(BaseCommand):
    help = "Halt the whole console: nothing is sent for anybody until it is lifted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("reason", nargs="?", default="", help="why; everybody reads it above each page")
        parser.add_argument("--lift", action="store_true", help="let it go on")

    def handle(self, *args: Any, reason: str, lift: bool, **options: Any) -> None:
        actor, standing = system("command line"), Halt.objects.filter(team=None, state="on").first()
        if lift:
            if standing is None:
                raise CommandError("The console is not halted.")
            end_halt(standing, actor)
            self.stdout.write("Lifted. What was signed before has to be proposed again.")
            return
        if not reason.strip():
            raise CommandError("Say why, in quotes.")
        try:
            begin_halt("instance", "", "everything", reason, actor, team=None)
        except Conflict as conflict:
            raise CommandError(conflict.text) from None
        self.stdout.write("Halted: nothing more is sent, for any team. `manage.py halt --lift` lets it go on.")
