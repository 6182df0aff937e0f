"""`manage.py person`, by whoever runs the console."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import Record
from console.accounts.identities import find_identity, link_identity, unlink_identity
from console.accounts.models import Identity, Team, User
from console.core.actor import Actor
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.accounts.conftest import SYSTEM, acting

ISSUER = "https://id.example"


@pytest.fixture(autouse=True)
def provider(settings: Any) -> None:
    settings.OIDC_PROVIDERS = [
        {"slug": "corp", "name": "Corp", "issuer": ISSUER, "client_id": "c", "secret": "s", "scopes": "openid"}
    ]


def person(*arguments: str) -> str:
    out = StringIO()
    call_command("person", *arguments, stdout=out)
    return out.getvalue()


def told(user: User) -> list[tuple[str, str, str]]:
    records = Record.objects.of(user.id).order_by("at")
    return list(records.values_list("kind", "actor_kind", "actor"))[2:]


def test_linked_person_is_found_by_issuer_and_subject_until_unlinked(ada: User) -> None:
    assert person("link", "Ada", "corp", "a-1") == "ada signs in with Corp from now on\n"
    found = find_identity(ISSUER, "a-1")
    assert found is not None
    assert found.user == ada
    assert (find_identity(ISSUER, "A-1"), find_identity(f"{ISSUER}/", "a-1")) == (None, None)
    person("unlink", "ada", "corp", "a-1")
    assert find_identity(ISSUER, "a-1") is None
    assert told(ada) == [
        ("accounts:identity:linked", "system", "shell"),
        ("accounts:identity:unlinked", "system", "shell"),
    ]


def test_subject_belongs_to_one_person(ada: User, grace: User) -> None:
    person("link", "ada", "corp", "a-1")
    with pytest.raises(CommandError, match="linked to ada already"):
        person("link", "grace", "corp", "a-1")
    with pytest.raises(CommandError, match="not linked"):
        person("unlink", "grace", "corp", "a-1")


@pytest.mark.parametrize(
    "arguments",
    [("link", "nobody", "corp", "x"), ("link", "ada", "elsewhere", "x"), ("deactivate", "nobody", "--why", "left")],
)
def test_what_there_is_not_is_told(ada: User, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="There is no"):
        person(*arguments)


@pytest.mark.parametrize(("issuer", "subject"), [("", "x"), (ISSUER, "")])
def test_identity_needs_both_parts(ada: User, issuer: str, subject: str) -> None:
    with pytest.raises(Invalid):
        link_identity(ada, issuer, subject, actor=SYSTEM)


def test_no_admin_of_a_team_links_anybody(ada: User, grace: User, team: Team) -> None:
    """Grace may be in other teams too, of which this admin is none."""
    link_identity(grace, ISSUER, "g-1", actor=SYSTEM)
    actors: list[Actor] = [acting(ada), acting(ada, auth="token"), acting(grace)]
    for actor in actors:
        with pytest.raises(Forbidden):
            link_identity(grace, ISSUER, "thief", actor=actor)
        with pytest.raises(Forbidden):
            unlink_identity(grace, ISSUER, "g-1", actor=actor)
    assert list(Identity.objects.values_list("subject", flat=True)) == ["g-1"]


def test_refusals_of_a_second_link_and_of_none(ada: User) -> None:
    link_identity(ada, ISSUER, "a-1", actor=SYSTEM)
    with pytest.raises(Conflict):
        link_identity(ada, ISSUER, "a-1", actor=SYSTEM)
    with pytest.raises(NotFound):
        unlink_identity(ada, ISSUER, "a-2", actor=SYSTEM)


def test_deactivated_person_is_told_of_with_the_reason(grace: User, ada: User) -> None:
    assert "can no longer sign in" in person("deactivate", "grace", "--why", "left")
    grace.refresh_from_db()
    assert (grace.is_active, told(grace)) == (False, [("accounts:user:deactivated", "system", "shell")])
    with pytest.raises(CommandError, match="closed already"):
        person("deactivate", "grace", "--why", "left")


def test_last_admin_is_deactivated_only_on_purpose(ada: User) -> None:
    with pytest.raises(CommandError, match="last admin of billing"):
        person("deactivate", "ada", "--why", "left")
    assert User.objects.get(pk=ada.pk).is_active
    person("deactivate", "ada", "--why", "left", "--last-admin")
    assert not User.objects.get(pk=ada.pk).is_active
