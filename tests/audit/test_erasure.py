"""Erasing personal values: they go, their commitments and every proof stay, and the log tells who and why."""

import datetime as dt
import json
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit import fsck
from audit.erasure import MAX_BASIS, erase
from audit.holds import place_hold, release_hold
from audit.models import Disclosure, Record
from audit.proof import prove
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role, system
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.audit.conftest import Adversary, SignedLog
from tests.audit.exports import made, verified
from tests.audit.past import TEAM, person

MIRA, THEO = person("mira", Role.ADMIN), person("theo", Role.AUDITOR)
BASIS = "GDPR Art. 17, request 12"


def write(subject: str = "usr_zoe", *, actor: Actor | None = None, **personal: str) -> uuid.UUID:
    personal = personal or {"name": "Zoë", "username": "zoe"}
    identity = record(Kind.USER_CREATED, subject=subject, actor=actor or system("tests", TEAM), personal=personal)
    return uuid.UUID(identity)


def values() -> dict[str, object]:
    return dict(Disclosure.objects.values_list("path", "value"))


def told() -> list[dict[str, Any]]:
    rows = Record.objects.filter(kind=Kind.DISCLOSURE_ERASED).order_by("at")
    return [json.loads(bytes(one.leaf)) for one in rows]


@pytest.mark.django_db
def test_what_was_chosen_goes_and_the_record_says_who_and_why() -> None:
    identity = write()
    erase(MIRA, identity, ["name"], f" {BASIS} ")
    assert values() == {"username": "zoe", "basis": BASIS}
    (leaf,) = told()
    assert (leaf["object"], leaf["actor"]["id"], leaf["team"]) == (str(identity), "usr_mira", TEAM)
    assert (leaf["detail"], [*leaf["c"]]) == ({"paths": ["name"]}, ["basis"])
    shown = {one.path: (one.status, one.erased_by) for one in prove(Record.objects.get(pk=identity)).commitments}
    assert shown == {"name": ("erased", leaf["id"]), "username": ("disclosed", "")}


def test_every_proof_stays_valid(signed_log: SignedLog, tmp_path: Path, settings: Any) -> None:
    settings.STATE_DIR = tmp_path
    identity = write()
    signed_log.sequence()
    erase(MIRA, identity, ["name", "username"], BASIS)
    signed_log.sequence()
    report = fsck.check()
    assert (report.findings, report.erased, report.disclosed) == ([], 2, 1)
    states = verified(made(), tmp_path)
    assert (states["integrity"], states["disclosures"]) == ("ok", "ok")


def test_a_value_that_somebody_deleted_in_silence_is_found(signed_log: SignedLog, adversary: Adversary) -> None:
    identity = write()
    signed_log.sequence()
    adversary.sql.execute("DELETE FROM audit_disclosure WHERE path = 'name'")
    (finding,) = fsck.check().findings
    assert finding.endswith(f"({identity}): name is gone, and no record tells that it was erased")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "who",
    [
        THEO,
        person("ana", Role.REVIEWER),
        person("jonas", Role.OPERATOR),
        Actor("human", "usr_mira", TEAM, "token", "Mira", frozenset({Role.ADMIN})),
        system("tests", TEAM),
    ],
)
def test_only_an_admin_in_a_browser_erases(who: Actor) -> None:
    identity = write()
    with pytest.raises(Forbidden):
        erase(who, identity, ["name"], BASIS)
    assert len(values()) == 2


@pytest.mark.django_db
def test_records_of_another_team_do_not_exist() -> None:
    identity = write()
    with pytest.raises(NotFound):
        erase(person("olga", *Role, team="team_theirs"), identity, ["name"], BASIS)
    with pytest.raises(NotFound):
        erase(MIRA, uuid.uuid4(), ["name"], BASIS)
    assert len(values()) == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("paths", "basis"), [([], BASIS), (["name"], " "), (["name"], ""), (["name"], "x" * (MAX_BASIS + 1))]
)
def test_without_a_choice_or_a_basis_nothing_goes(paths: list[str], basis: str) -> None:
    identity = write()
    with pytest.raises(Invalid):
        erase(MIRA, identity, paths, basis)
    assert (len(values()), told()) == (2, [])


@pytest.mark.django_db
@pytest.mark.parametrize("paths", [["name", "nothing"], ["nothing"]])
def test_what_is_not_there_is_not_told_to_be_erased(paths: list[str]) -> None:
    identity = write()
    with pytest.raises(Conflict, match="erased already"):
        erase(MIRA, identity, paths, BASIS)
    erase(MIRA, identity, ["name"], BASIS)
    with pytest.raises(Conflict, match="erased already"):
        erase(MIRA, identity, ["name"], BASIS)
    assert len(told()) == 1
    assert values() == {"username": "zoe", "basis": BASIS}


@pytest.mark.django_db
def test_a_hold_keeps_it() -> None:
    identity = write()
    today = now().date()
    place_hold(THEO, today + dt.timedelta(1), None, "Another case")
    hold = place_hold(THEO, today, today, "Claim 17")
    with pytest.raises(Conflict, match=f"A hold keeps it: {hold.id}"):
        erase(MIRA, identity, ["name"], BASIS)
    with pytest.raises(DatabaseError, match="a hold touches"):
        erase_past_the_checks(identity)
    release_hold(MIRA, hold.id, "Settled")
    erase(MIRA, identity, ["name"], BASIS)
    assert "name" not in values()


@transaction.atomic
def erase_past_the_checks(identity: uuid.UUID) -> None:
    record(Kind.DISCLOSURE_ERASED, subject=str(identity), actor=MIRA)
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_erase(%s, ARRAY['name'])", [identity])


@pytest.mark.django_db
def test_nothing_goes_past_the_function_nor_without_a_record() -> None:
    identity = write()
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        Disclosure.objects.all().delete()
    with pytest.raises(DatabaseError, match="without a record"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT audit_erase(%s, ARRAY['name'])", [identity])


def run(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("erase", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.django_db
def test_the_command_erases_all_about_one_person_and_nobody_else() -> None:
    about = write("usr_zoe")
    by_her = write("dec_1", actor=person("zoe"), name="Zoë", reason="No.")
    write("usr_other", name="Other")
    listed = [f"{about}  name, username", f"{by_her}  name, reason"]
    assert run("--subject", "usr_zoe", "--dry-run") == [*listed, "4 values to be erased, 0 kept"]
    assert Disclosure.objects.count() == 5
    assert run("--subject", "usr_zoe", "--basis", BASIS) == [*listed, "4 values erased, 0 kept"]
    assert sorted(values().items()) == [("basis", BASIS), ("name", "Other")]
    assert {(leaf["actor"]["id"], leaf["team"], *leaf["detail"]["paths"]) for leaf in told()} == {
        ("command", TEAM, "name", "username"),
        ("command", TEAM, "name", "reason"),
    }
    assert run("--subject", "usr_zoe", "--basis", BASIS) == ["0 values erased, 0 kept"]


@pytest.mark.django_db
def test_the_command_asks_for_a_basis_and_says_what_a_hold_keeps() -> None:
    identity = write()
    with pytest.raises(CommandError, match="--basis"):
        run("--subject", "usr_zoe")
    hold = place_hold(THEO, now().date(), None, "Claim 17")
    out = StringIO()
    with pytest.raises(CommandError, match="Some values were kept"):
        call_command("erase", "--subject", "usr_zoe", "--basis", BASIS, stdout=out)
    assert out.getvalue().splitlines() == [f"{identity}  kept: A hold keeps it: {hold.id}.", "0 values erased, 2 kept"]
