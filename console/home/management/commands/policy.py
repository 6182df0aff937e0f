"""`manage.py policy check FILE` for a pipeline, and `policy publish FILE --team TEAM` for whoever runs the console."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.policies.document import parse
from approvals.policies.sentence import then_in_words, when_in_words
from approvals.publish import publish_at_the_command_line
from console.accounts.models import Team
from console.core.errors import Invalid


class Command(BaseCommand):
    help = "Check a policy, or publish one without a review."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        checking = acts.add_parser("check", help="say what it says; fails where it cannot be read. Needs no database")
        checking.add_argument("file", type=Path)
        publishing = acts.add_parser("publish", help="from then on it rules; recorded as done on the command line")
        publishing.add_argument("file", type=Path)
        publishing.add_argument("--team", required=True, help="its short name")

    def handle(self, *args: Any, act: str, file: Path, team: str = "", **options: Any) -> None:
        try:
            source = file.read_text(encoding="utf-8")
            document = parse(source)
            if act == "publish":
                version = publish_at_the_command_line(source, self._team(team))
                self.stdout.write(f"Version {version.number} rules from now on.")
                return
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file}: {error}") from None
        except Invalid as invalid:
            raise CommandError(f"{file}: {invalid.text}") from None
        for rule in document["rules"]:
            self.stdout.write(f"{rule['id']}: {when_in_words(rule['when'])}: {then_in_words(rule)}")

    def _team(self, name: str) -> Team:
        found = Team.objects.filter(slug=name).first()
        if found is None:
            raise CommandError(f"There is no team {name!r}.")
        return found
