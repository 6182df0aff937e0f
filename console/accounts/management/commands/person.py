"""What concerns a person beyond one team: at which provider they sign in, and that they no longer do. And whether
somebody of a team has seen who they are."""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.accounts.identities import link_identity, unlink_identity
from console.accounts.models import Team, User
from console.accounts.people import deactivate_user, last_admin_of
from console.accounts.proofings import record_proofing
from console.accounts.providers import find_provider
from console.core.actor import system
from console.core.errors import Refusal

SHELL = system("shell")


def find(username: str) -> User:
    user = User.objects.filter(username=username.lower()).first()
    if user is None:
        raise CommandError(f"There is no person {username}.")
    return user


class Command(BaseCommand):
    help = "Link a person to who they are at a provider, record that their identity was seen, or close their account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for act in ("link", "unlink"):
            linking = acts.add_parser(act)
            linking.add_argument("username")
            linking.add_argument("provider", help="its short name in the settings")
            linking.add_argument("subject", help="the claim `sub`, which the page shows that turned them away")
        seen = acts.add_parser("proof")
        seen.add_argument("username")
        seen.add_argument("--team", required=True, help="its short name")
        seen.add_argument("--legal-name", required=True, help="as the document says")
        seen.add_argument("--by", required=True, help="username of the admin of the team who has seen it")
        seen.add_argument("--how", required=True, help='such as "passport, in person"')
        seen.add_argument("--on", required=True, type=dt.date.fromisoformat, help="the day, YYYY-MM-DD")
        closing = acts.add_parser("deactivate")
        closing.add_argument("username")
        closing.add_argument("--why", required=True, help="for the log")
        closing.add_argument("--last-admin", action="store_true", help="even if a team is left without an admin")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find(options["username"])
        try:
            self.stdout.write(getattr(self, options["act"])(user, options))
        except Refusal as refusal:
            raise CommandError(refusal.text) from None

    def link(self, user: User, options: dict[str, Any]) -> str:
        provider = find_provider(options["provider"])
        link_identity(user, provider.issuer, options["subject"], actor=SHELL)
        return f"{user.username} signs in with {provider.name} from now on"

    def unlink(self, user: User, options: dict[str, Any]) -> str:
        provider = find_provider(options["provider"])
        unlink_identity(user, provider.issuer, options["subject"], actor=SHELL)
        return f"{user.username} no longer signs in with {provider.name}; a session that is open goes on"

    def proof(self, user: User, options: dict[str, Any]) -> str:
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None:
            raise CommandError(f"There is no team {options['team']}.")
        told = {name: options[name] for name in ("legal_name", "how", "on")}
        record_proofing(user, team, by=find(options["by"]), **told, actor=SHELL)
        return f"{user.username} is {options['legal_name']}, as {options['by']} has seen"

    def deactivate(self, user: User, options: dict[str, Any]) -> str:
        if (teams := last_admin_of(user)) and not options["last_admin"]:
            raise CommandError(
                f"{user.username} is the last admin of {', '.join(teams)}. Add --last-admin if you mean it."
            )
        deactivate_user(user, why=options["why"], actor=SHELL)
        return f"{user.username} can no longer sign in; what they signed stays as it is"
