"""The demo's people: one for each role, so that a newcomer can look through everyone's eyes."""

import datetime as dt
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from console.accounts.actors import human
from console.accounts.models import Membership, Team, User
from console.accounts.people import create_team, create_user, set_membership
from console.accounts.tokens import issue_token
from console.core.actor import Actor, system
from console.core.clock import now
from console.core.words import WORDS


@dataclass(frozen=True)
class Persona:
    username: str
    name: str
    does: str
    roles: tuple[str, ...]
    groups: tuple[str, ...] = ()


PERSONAS = (
    Persona("ana", "Ana Ferreira", "signs for finance and security", ("reviewer",), ("finance", "security")),
    Persona(
        "sam", "Sam Castellanos", "signs for legal and operations", ("reviewer",), ("admins", "legal", "operations")
    ),
    Persona("jonas", "Jonas Lindqvist", "starts and watches runs", ("operator",)),
    Persona("mira", "Mira Okafor", "connects systems, writes policy", ("admin",)),
    Persona("theo", "Theo Brandt", "reads the log", ("auditor",)),
    Persona("noa", "Noa Winter", "belongs to the team without a role", ()),
)


def seed_people(slug: str = "billing", name: str = "Billing") -> Team:
    """The team and its people. Passwords are set apart, once they are written down."""
    actor = system("seed")
    team = create_team(slug, name, actor=actor)
    for persona in PERSONAS:
        user = create_user(persona.username, persona.name, actor=actor)
        set_membership(user, team, roles=persona.roles, groups=persona.groups, actor=actor)
    return team


def acting(username: str) -> Actor:
    """The persona as if signed in: acts of the seed are theirs, and the log says so."""
    membership = Membership.objects.select_related("user").filter(user__username=username).order_by("id")[0]
    return human(membership.user, membership, auth="session")


def write_logins(team: Team, base_url: str, file: Path) -> None:
    """A password and a token for each, kept nowhere but in this file (0600)."""
    people = []
    for persona in PERSONAS:
        user = User.objects.get(username=persona.username)
        password = "-".join(secrets.choice(WORDS) for _ in range(4))
        user.set_password(password)
        user.save(update_fields=["password", "password_attestation"])
        _, token = issue_token(user, team, actor=acting(persona.username), expires=now() + dt.timedelta(days=30),
                               label="demo")  # fmt: skip
        people.append({**asdict(persona), "password": password, "token": token})
    file.touch(mode=0o600)
    file.write_text(json.dumps({"base_url": base_url, "personas": people}, indent=2, ensure_ascii=False) + "\n")
