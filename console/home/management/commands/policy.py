"""`manage.py policy check FILE` for a pipeline, and `policy publish FILE --team TEAM` for whoever runs the console."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.policies.document import parse
from approvals.policies.lab import analyse, compare
from approvals.policies.sentence import then_in_words, when_in_words
from approvals.publish import publish_at_the_command_line, read_policy
from console.accounts.models import Team
from console.core.errors import Invalid

T = TypeVar("T")


class Command(BaseCommand):
    help = "Check a policy, or publish one without a review."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        checking = acts.add_parser("check", help="say what it says, and what can be said of it; fails where it may not "
                                   "be published. Needs no database")  # fmt: skip
        checking.add_argument("file", type=Path)
        checking.add_argument("--against", type=Path, metavar="FILE", help="say also what it lets through more easily")
        publishing = acts.add_parser("publish", help="from then on it rules; recorded as done on the command line")
        publishing.add_argument("file", type=Path)
        publishing.add_argument("--team", required=True, help="its short name")

    def handle(self, *args: Any, act: str, file: Path, **options: Any) -> None:
        if act == "check":
            self._check(file, options["against"])
        else:
            team = self._team(options["team"])
            version = self._read(file, lambda source: publish_at_the_command_line(source, team))
            self.stdout.write(f"Version {version.number} rules from now on.")

    def _check(self, file: Path, against: Path | None) -> None:
        document = self._read(file, read_policy)
        for rule in document["rules"]:
            self.stdout.write(f"{rule['id']}: {when_in_words(rule['when'])}: {then_in_words(rule)}")
        for text in analyse(document).texts:
            self.stdout.write(text)
        for text in compare(self._read(against, parse), document).texts if against else ():
            self.stdout.write(text)

    def _read(self, file: Path, read: Callable[[str], T]) -> T:
        try:
            return read(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file}: {error}") from None
        except Invalid as invalid:
            raise CommandError(f"{file}: {invalid.text}") from None

    def _team(self, name: str) -> Team:
        found = Team.objects.filter(slug=name).first()
        if found is None:
            raise CommandError(f"There is no team {name!r}.")
        return found
