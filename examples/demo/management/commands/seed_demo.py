"""`manage.py seed_demo --payments URL --access URL`: fills an empty console; called again it starts a new run."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from console.accounts.models import Team
from examples.demo.access import begin_access_run, connect_access, seed_access
from examples.demo.charges import seed_charges
from examples.demo.people import seed_people, write_logins
from examples.demo.seed import begin_run, connect, start_over


class Command(BaseCommand):
    help = "Fill the console with the demo's people, integration, policy, workflows and a first run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--payments", required=True, help="base URL of the stand-in for payments")
        parser.add_argument("--access", required=True, help="base URL of the stand-in for access management")

    def handle(self, *_: Any, **options: Any) -> None:
        payments, access = options["payments"], options["access"]
        seed_charges(payments)
        seed_access(access)
        if Team.objects.filter(slug="billing").exists():
            start_over(payments)
        else:
            team = seed_people()
            connect(payments)
            write_logins(team, settings.ORIGIN, settings.STATE_DIR / "demo.json")
            begin_run()
        connect_access(access)
        begin_access_run()
