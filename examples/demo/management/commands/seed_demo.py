"""`manage.py seed_demo --standin URL`: fills an empty console; called again it starts a new run."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from console.accounts.models import Team
from examples.demo.charges import seed_charges
from examples.demo.people import seed_people, write_logins
from examples.demo.seed import begin_run, connect, start_over


class Command(BaseCommand):
    help = "Fill the console with the demo's people, integration, policy, workflows and a first run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--standin", required=True, help="base URL of the payment stand-in")

    def handle(self, *_: Any, **options: Any) -> None:
        seed_charges(options["standin"])
        if Team.objects.filter(slug="billing").exists():
            start_over(options["standin"])
            return
        team = seed_people()
        connect(options["standin"])
        write_logins(team, settings.ORIGIN, settings.STATE_DIR / "demo.json")
        begin_run()
