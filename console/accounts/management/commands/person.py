"""What concerns a person beyond one team: at which provider they sign in, and that they no longer do."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.accounts.identities import link_identity, unlink_identity
from console.accounts.models import User
from console.accounts.people import deactivate_user, last_admin_of
from console.accounts.providers import find_provider
from console.core.actor import system
from console.core.errors import Refusal

SHELL = system("shell")


class Command(BaseCommand):
    help = "Link a person to who they are at a provider of OpenID Connect, or close their account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for act in ("link", "unlink"):
            linking = acts.add_parser(act)
            linking.add_argument("username")
            linking.add_argument("provider", help="its short name in the settings")
            linking.add_argument("subject", help="the claim `sub`, which the page shows that turned them away")
        closing = acts.add_parser("deactivate")
        closing.add_argument("username")
        closing.add_argument("--why", required=True, help="for the log")
        closing.add_argument("--last-admin", action="store_true", help="even if a team is left without an admin")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"].lower()).first()
        if user is None:
            raise CommandError(f"There is no person {options['username']}.")
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

    def deactivate(self, user: User, options: dict[str, Any]) -> str:
        if (teams := last_admin_of(user)) and not options["last_admin"]:
            raise CommandError(
                f"{user.username} is the last admin of {', '.join(teams)}. Add --last-admin if you mean it."
            )
        deactivate_user(user, why=options["why"], actor=SHELL)
        return f"{user.username} can no longer sign in; what they signed stays as it is"
