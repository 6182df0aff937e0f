"""Whose identity was seen: recorded where the console runs, for one team, by somebody else's eyes."""

import datetime as dt
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit.models import Record
from console.accounts.models import Proofing, Team, User
from console.accounts.people import set_membership
from console.accounts.proofings import proofed, record_proofing
from console.core.errors import Forbidden, Invalid, Tampered
from tests.accounts.conftest import SYSTEM, acting, join

YESTERDAY = dt.date(2026, 11, 20)


@pytest.fixture
def person(grace: User, team: Team) -> User:
    set_membership(grace, team, roles=["reviewer"], actor=SYSTEM)
    return grace


def prove(*changed: str) -> str:
    given = {"--team": "ops", "--legal-name": "Grace Brewster Hopper", "--by": "ada", "--how": "passport, in person",
             "--on": "2026-11-20"} | dict(zip(changed[::2], changed[1::2], strict=True))  # fmt: skip
    out = StringIO()
    call_command("person", "proof", "Grace", *(part for pair in given.items() for part in pair), stdout=out)
    return out.getvalue()


def test_what_was_seen_is_attested_and_on_record(ada: User, person: User, team: Team) -> None:
    assert proofed([ada.id, person.id], team.id) == set()
    assert prove("--team", team.slug) == "grace is Grace Brewster Hopper, as ada has seen\n"
    assert proofed([ada.id, person.id], team.id) == {person.id}
    row = Proofing.objects.get()
    assert (row.user, row.team, row.by, row.legal_name, row.how, row.on) == (
        person, team, ada, "Grace Brewster Hopper", "passport, in person", YESTERDAY,
    )  # fmt: skip
    leaf = json.loads(bytes(Record.objects.of(person.id).get(kind="accounts:user:proofed").leaf))
    assert leaf["detail"] == {"proofing": row.id, "by": ada.id, "on": "2026-11-20"}
    assert (leaf["team"], set(leaf["c"])) == (team.id, {"legal_name", "how"})


def test_another_team_need_not_believe_it(ada: User, person: User, team: Team, other_team: Team) -> None:
    prove("--team", team.slug)
    assert proofed([person.id], other_team.id) == set()


Wrong = tuple[tuple[str, ...], str]
WRONG: dict[str, Wrong] = {
    "by themselves": (("--by", "grace"), "their own identity"),
    "by nobody known": (("--by", "nobody"), "no person nobody"),
    "by somebody who is no admin": (("--by", "eve"), "eve is no admin"),
    "for a team that there is not": (("--team", "nowhere"), "no team nowhere"),
    "for a team that they are not in": (("--team", "OTHER"), "grace is not in this team"),
    "without a name": (("--legal-name", " "), "Say the legal name"),
    "without a way": (("--how", ""), "how it was seen"),
    "on a day to come": (("--on", "2999-01-01"), "yet to come"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_nobody_has_seen_is_not_recorded(ada: User, person: User, team: Team, other_team: Team, case: str) -> None:
    set_membership(join("eve", "Eve"), team, roles=["reviewer"], actor=SYSTEM)
    changed, text = WRONG[case]
    named = tuple(other_team.slug if part == "OTHER" else part for part in changed)
    with pytest.raises(CommandError, match=text):
        prove("--team", team.slug, *named)
    assert not Proofing.objects.exists()
    assert not Record.objects.filter(kind="accounts:user:proofed").exists()


def test_no_person_records_it_from_a_session(ada: User, person: User, team: Team) -> None:
    with pytest.raises(Forbidden, match="where the console runs"):
        record_proofing(person, team, legal_name="G", by=ada, how="seen", on=YESTERDAY, actor=acting(ada))


def test_a_day_has_to_be_one(ada: User, person: User, team: Team) -> None:
    with pytest.raises(Invalid):
        record_proofing(person, team, legal_name="G", by=ada, how="seen", on=dt.date.max, actor=SYSTEM)


CHANGES: dict[str, Callable[[Any], object]] = {
    "changed": lambda cursor: cursor.execute("UPDATE accounts_proofing SET legal_name = 'Somebody Else'"),
    "taken away": lambda cursor: cursor.execute("DELETE FROM accounts_proofing"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_never(ada: User, person: User, team: Team, change: str) -> None:
    prove("--team", team.slug)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        CHANGES[change](cursor)


def test_a_row_that_the_console_did_not_write_proves_nobody(ada: User, person: User, team: Team) -> None:
    Proofing.objects.create(id="prf_forged", user=person, team=team, legal_name="G", by=ada, how="seen", on=YESTERDAY,
                            attestation=b"\0" * 64)  # fmt: skip
    with pytest.raises(Tampered):
        proofed([person.id], team.id)
