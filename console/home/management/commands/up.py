"""`manage.py up`: the whole product on this machine, from nothing, until Ctrl-C."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from console.home.processes import ROOT
from console.home.supervisor import Refusal, Supervisor


class Command(BaseCommand):
    help = "Starts Countersign with a PostgreSQL and a Valkey of its own."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="with example data and stand-ins for outside systems")
        parser.add_argument("--state", type=Path, default=ROOT / ".countersign", help="where everything is kept")
        parser.add_argument("--port", type=int, help="of the first start on this state; 8000 unless given then")

    def handle(self, *, state: Path, port: int | None, demo: bool, **_: Any) -> None:
        try:
            Supervisor(state, port=port, demo=demo, out=sys.stdout).run()
        except Refusal as sentence:
            sys.exit(str(sentence))
