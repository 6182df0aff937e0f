"""`manage.py provision`: the roles and the database of a PostgreSQL that somebody else runs."""

import os
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from console.home.provision import LOGIN_ROLES, provision, role_url


class Command(BaseCommand):
    help = "Makes Countersign's database and its roles; repeated after `migrate`, also the watch over the log's schema."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--superuser-url", required=True, help="postgresql://superuser@host/postgres")
        parser.add_argument("--database", default="countersign")
        parser.add_argument(
            "--set-passwords",
            action="store_true",
            help="set every role's password: from COUNTERSIGN_APP_PASSWORD, COUNTERSIGN_DOOR_PASSWORD, "
            "COUNTERSIGN_MIGRATOR_PASSWORD and COUNTERSIGN_SEQUENCER_PASSWORD, or generated and printed once",
        )

    def handle(self, *, superuser_url: str, database: str, set_passwords: bool, **_: Any) -> None:
        given = {role: password for role in LOGIN_ROLES if (password := os.environ.get(variable(role)))}
        made = {role: secrets.token_urlsafe(24) for role in LOGIN_ROLES if role not in given}
        provision(superuser_url, database, {**given, **made} if set_passwords else {})
        if set_passwords:
            for role, password in made.items():
                self.stdout.write(role_url(superuser_url, role, password, database))


def variable(role: str) -> str:
    return f"{role.upper()}_PASSWORD"
