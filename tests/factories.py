"""Rows for tests, made through the acts that make them in the product, so that each has its record and attestation."""

from typing import Any

from factory import Factory, LazyAttribute, Sequence

from console.accounts.models import Team, User
from console.accounts.people import create_team, create_user, set_membership
from console.agents.models import Agent
from console.agents.register import create_agent
from console.core.actor import Actor, system
from console.workflows.models import Workflow

SYSTEM = system("tests")
PASSWORD = "correct horse battery"


class TeamFactory(Factory):
    class Meta:
        model = Team

    slug = Sequence(lambda number: f"team-{number}")
    name = LazyAttribute(lambda team: team.slug.title())

    @classmethod
    def _create(cls, model_class: type[Team], *_: Any, **fields: Any) -> Team:
        return create_team(fields["slug"], fields["name"], actor=SYSTEM)


class PersonFactory(Factory):
    """A user; with a `team`, also a member of it with these roles and groups."""

    class Meta:
        model = User

    username = Sequence(lambda number: f"person-{number}")
    name = LazyAttribute(lambda person: person.username.title())
    team: Team | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def _create(cls, model_class: type[User], *_: Any, **fields: Any) -> User:
        user = create_user(fields["username"], fields["name"], password=PASSWORD, actor=SYSTEM)
        if fields["team"] is not None:
            set_membership(user, fields["team"], roles=fields["roles"], groups=fields["groups"], actor=SYSTEM)
        return user


def a_grantee(name: str, admin: Actor) -> str:
    """`workflow:…` or `agent:…`, as they are called in grants; there is one of this name from now on."""
    kind, _, slug = name.partition(":")
    if kind == "workflow":
        Workflow.objects.get_or_create(team_id=admin.team, slug=slug, defaults={"title": slug})
    elif not Agent.objects.filter(team=admin.team, slug=slug).exists():
        create_agent(slug, slug.title(), owner=User.objects.get(pk=admin.id), actor=admin)
    return name
