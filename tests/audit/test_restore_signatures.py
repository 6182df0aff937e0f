"""Which signatures let the log go on after a restore, and which do not."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import DatabaseError, transaction

from audit import fsck, sequencer, trees
from audit.models import Record, Tree
from audit.vocabulary import Kind
from console.accounts.enrolment import revoke_passkey
from console.accounts.models import Passkey
from console.accounts.people import deactivate_user, set_membership
from console.core import attest
from console.core.actor import system
from console.core.canonical import jcs
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, Refusal
from console.home import restore
from console.home.models import RestoreSignature
from console.home.restore import counted, sign_restore, wanted
from tests.accounts.conftest import acting
from tests.audit.bundles import told as texts
from tests.audit.conftest import SignedLog, begin_next_tree
from tests.audit.exports import ask, state, write
from tests.audit.restoring import House, broken, house
from tests.audit.test_verify_restored import checked
from tests.services import services

__all__ = ["broken", "house", "state"]


def test_who_lost_the_role_has_not_agreed(broken: House) -> None:
    broken.sign("mira")
    max_ = broken.people["max"]
    broken.sign("max")
    set_membership(max_, max_.memberships.get().team, roles=["auditor"], groups=[], actor=system("tests"))
    assert not broken.goes_on()


def test_who_left_has_not_agreed(broken: House) -> None:
    broken.sign("mira")
    broken.sign("max")
    deactivate_user(broken.people["max"], actor=system("tests"))
    assert not broken.goes_on()


def test_a_passkey_that_was_removed_does_not_count(broken: House) -> None:
    broken.sign("mira")
    broken.sign("max")
    passkey = Passkey.objects.get(user=broken.people["max"])
    revoke_passkey(passkey, why="lost", actor=acting(broken.people["max"]))
    assert not broken.goes_on()


def test_a_signature_is_good_for_a_day(broken: House, monkeypatch: pytest.MonkeyPatch) -> None:
    broken.sign("mira")
    broken.sign("max")
    later = now() + dt.timedelta(hours=24, seconds=1)
    monkeypatch.setattr(restore, "now", lambda: later)
    assert not broken.goes_on()
    broken.sign("mira")  # and may be given again
    broken.sign("max")
    assert broken.goes_on()


def test_signatures_over_another_state_do_not_count(broken: House) -> None:
    """More was lost, or less, than the first had seen."""
    broken.sign("mira")
    statement = wanted_now()
    assert len(counted(statement)) == 1
    assert counted(replace(statement, present_size=statement.present_size + 1)) == []
    assert counted(replace(statement, root="00" * 32)) == []


def test_what_was_altered_before_it_was_put_back_is_no_backup(broken: House) -> None:
    broken.sign("mira")
    broken.sign("max")
    with services().superuser(broken.database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE audit_tile SET hashes = set_byte(hashes, 100, 7)")
    assert not broken.goes_on()
    assert Tree.objects.get().problem.endswith("are not those that were signed: no backup of it.")


def wanted_now() -> restore.Statement:
    statement = wanted()
    assert statement is not None
    return statement


def test_two_rows_of_one_person_are_one_signature(broken: House) -> None:
    """As two windows could make them at the same moment."""
    first, second = broken.prepare("mira"), broken.prepare("mira")
    actor = acting(broken.people["mira"])
    rows = []
    for told in (first, second):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(restore, "counted", lambda _: [])
            answer = broken.keys["mira"].sign_options(told["options"])
            rows.append(sign_restore(str(told["prepared"]), answer, actor=actor))
    assert RestoreSignature.objects.count() == 2
    assert counted(wanted_now()) == rows[:1]
    assert not broken.goes_on()


@pytest.mark.parametrize("field", ["payload", "signature", "authenticator_data", "client_data_json"])
def test_a_row_that_sql_wrote_is_an_alarm_told_once(broken: House, field: str) -> None:
    broken.sign("mira")
    with services().superuser(broken.database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(f"UPDATE home_restoresignature SET {field} = set_byte({field}, 20, 7)".encode())
    broken.sign("max")
    assert [broken.goes_on(), broken.goes_on()] == [False, False]
    assert Record.objects.filter(kind=Kind.ALARM_TAMPERED).count() == 1


def test_a_row_in_anothers_name_is_an_alarm(broken: House) -> None:
    """Somebody has the console key, and one passkey."""
    row = broken.sign("mira")
    said = json.loads(bytes(row.payload)) | {"reviewer": broken.people["max"].id, "nonce": "another"}
    forged = RestoreSignature(
        before=row.before, payload=jcs(said), nonce="another", reviewer=broken.people["max"],
        passkey=row.passkey, client_data_json=row.client_data_json, authenticator_data=row.authenticator_data,
        signature=row.signature,
    )  # fmt: skip
    forged.attestation = attest.attest("restore", forged.attested())
    forged.save(force_insert=True)
    assert not broken.goes_on()
    alarm = Record.objects.get(kind=Kind.ALARM_TAMPERED)
    assert b"a passkey of somebody else" in bytes(alarm.leaf)


def test_the_same_answer_is_not_taken_twice(broken: House) -> None:
    told = broken.prepare("mira")
    answer = broken.keys["mira"].sign_options(told["options"])
    actor = acting(broken.people["mira"])
    sign_restore(str(told["prepared"]), answer, actor=actor)
    with pytest.raises(Refusal):
        sign_restore(str(told["prepared"]), answer, actor=actor)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        RestoreSignature.objects.all().delete()


def test_what_was_not_prepared_here_is_refused(broken: House) -> None:
    told = broken.prepare("mira")
    answer = broken.keys["max"].sign_options(told["options"])
    for prepared in (str(told["prepared"]) + "x", "", "x"):
        with pytest.raises(Invalid):
            sign_restore(prepared, answer, actor=acting(broken.people["mira"]))
    with pytest.raises(Refusal):
        sign_restore(str(told["prepared"]), answer, actor=acting(broken.people["mira"]))  # with a passkey of Max
    with pytest.raises(Conflict, match="moved on"):
        sign_restore(str(told["prepared"]), answer, actor=acting(broken.people["max"]))  # for what Mira prepared
    assert not RestoreSignature.objects.exists()


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_reason_is_asked_for(broken: House, reason: str) -> None:
    with pytest.raises(Invalid):
        broken.prepare("mira", reason)


def test_a_program_cannot_sign(broken: House) -> None:
    with pytest.raises(Forbidden):
        restore.prepare_restore("x", actor=acting(broken.people["mira"], auth="token"))


def test_while_the_log_goes_on_there_is_nothing_to_sign(house: House) -> None:
    house.sequence()
    with pytest.raises(Conflict, match="There is nothing to sign"):
        house.prepare("mira")


# What was opened without them


def test_a_tree_that_nobody_signed_for_is_found(
    signed_log: SignedLog, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signer would refuse it. Whoever has its key does not ask."""
    monkeypatch.setattr("audit.signer.check_people", lambda *_: [])
    tree = signed_log.sequence_in([3])
    newest = trees.newest_checkpoint(tree)
    assert newest is not None
    sequencer.reopen(tree, newest.note, {})
    opened = signed_log.sequence()
    assert fsck.check().findings == [f"{tree} was closed: leaf 0 lacks something (KeyError: 'signatures')."]
    found = checked(write(ask()), "", [])
    assert texts(found, "history").startswith(
        f"Of {opened}, which was opened after a restore: leaf 0 lacks something (KeyError: 'signatures')."
    )
    assert (found.failed, found.first_bad) == (True, (0, ""))


def test_a_tree_that_strangers_signed_for_is_found(signed_log: SignedLog, state: Path) -> None:
    """Their passkeys are no one's here. An export cannot tell; it names who signed."""
    tree = signed_log.sequence_in([3])
    begin_next_tree(signed_log)
    said = "no record tells that pk_usr_mira, which signed it, was enrolled for who signed"
    assert fsck.check().findings == [f"{tree} was closed: {said}"]
    found = checked(write(ask()), "", [])
    assert not found.failed
    assert "The log goes on here after a restore, as usr_max and usr_mira signed." in texts(found, "history")
