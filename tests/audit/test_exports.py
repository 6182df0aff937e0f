"""Exports: whole or chosen, proven by the program that goes with them, the same after any crash, and never too much."""

import datetime as dt
import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest

from audit.exports import expire_exports, sweep
from audit.exports.access import access_export, visible_exports
from audit.exports.files import archive_of, exports_folder, folder_of
from audit.exports.request import MOST
from audit.models import Checkpoint, Export, Record
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role, system
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.audit.conftest import Adversary, SignedLog, begin_next_tree
from tests.audit.exports import (
    AUDITOR,
    OTHERS,
    TEAM,
    ask,
    contents,
    lines,
    log,
    made,
    manifest,
    records,
    state,
    told,
    verified,
)
from tests.spine.conftest import World, held, proxy, running_standin, standin, world

__all__ = ["held", "log", "proxy", "running_standin", "standin", "state", "world"]

OUTSIDER = Actor("human", "usr_olga", OTHERS, "session", "Olga", frozenset(Role))


@pytest.fixture
def shared(log: SignedLog) -> SignedLog:
    """The same, and another team beside it."""
    for number in range(50):
        record(Kind.STEP_READY, subject=f"stp_{number}", actor=system("tests", OTHERS), detail={"secret": "theirs"},
               personal={"name": "Their name"})  # fmt: skip
    log.write(50, team=TEAM)
    log.sequence()
    return log


# What is in it


def test_bundle_of_the_only_team_is_complete_and_proven_by_its_own_program(log: SignedLog, state: Path) -> None:
    export = made()
    assert verified(export, state) == {
        "integrity": "ok", "completeness": "ok", "identity": "open", "history": "open", "witnesses": "open",
        "decisions": "ok", "disclosures": "ok",
    }  # fmt: skip
    assert export.records == export.end - export.begin >= 300
    assert manifest(export)["filter"] == {}
    assert not {"indexes.txt", "hashes.bin"} & contents(export).keys()


def test_key_that_the_auditor_was_given_settles_who_signed(log: SignedLog, state: Path) -> None:
    export = made()
    key = contents(export)["policy"].decode().split()[1]
    assert verified(export, state, "--key", key)["identity"] == "ok"


def test_chosen_records_are_proven_too_and_the_rest_is_there_as_hashes(log: SignedLog, state: Path) -> None:
    export = made(kind="accounts:user:")
    verdicts = verified(export, state)
    assert (verdicts["integrity"], verdicts["completeness"], verdicts["disclosures"]) == ("ok", "ok", "ok")
    assert {leaf["action"] for leaf in lines(export)} == {"accounts:user:created"}
    files = contents(export)
    assert len(files["hashes.bin"]) == 32 * (export.end - export.begin)
    assert len(files["indexes.txt"].split()) == len(lines(export)) == export.records == 20
    assert manifest(export)["filter"] == {"kind": "accounts:user:"}


@pytest.mark.parametrize(
    ("filter", "found"),
    [({"subject": "usr_7"}, 1), ({"actor": "tests"}, 300), ({"run": "run_x"}, 0), ({"kind": "accounts:%"}, 0)],
)
def test_records_are_chosen_by_what_the_page_chooses_by(
    log: SignedLog, state: Path, filter: dict[str, str], found: int
) -> None:
    export = made(**filter)
    assert export.records == found
    assert "failed" not in verified(export, state).values()


@pytest.mark.parametrize("form", ["bundle", "jsonl", "csv", "ocsf", "parquet"])
def test_records_of_other_teams_are_in_no_form(shared: SignedLog, state: Path, form: str) -> None:
    for filter in ({}, {"kind": "runs:"}, {"kind": "runs:", "actor": "tests"}):
        export = made(form, **filter)
        assert export.records == (350 if not filter else 0)
        for data in contents(export).values():
            assert not any(text in data for text in (b"stp_1", b"theirs", b"Their name", OTHERS.encode()))
        assert manifest(export)["filter"]["team"] == TEAM
        if form == "bundle":
            assert "failed" not in verified(export, state).values()


def test_others_see_what_is_theirs_and_not_what_is_the_consoles(shared: SignedLog) -> None:
    export = made(by=OUTSIDER)
    assert {leaf["team"] for leaf in lines(export)} == {OTHERS}
    assert export.records == 50


def test_that_records_were_lost_is_told_to_every_team(shared: SignedLog) -> None:
    begin_next_tree(shared)
    record(Kind.PAGE_READ, subject="theirs", actor=system("web"), team=OTHERS)
    shared.sequence()
    assert [leaf["action"] for leaf in lines(made(by=OUTSIDER))] == [Kind.LOG_RESTORED, Kind.PAGE_READ]


def test_days_choose_the_range_and_leave_nothing_out_of_it(log: SignedLog, adversary: Adversary, state: Path) -> None:
    for table, key in (("audit_leaf", "record_id"), ("audit_record", "id")):
        adversary.sql.execute(
            f"UPDATE {table} SET at = at - interval '5 days'"
            f" WHERE {key} IN (SELECT record_id FROM audit_leaf WHERE idx < 100)"
        )
    day = now().date() - dt.timedelta(days=2)
    later, earlier = made(since=day), made(since="2020-01-01", until=str(day))
    assert (later.begin, earlier.begin, earlier.end) == (100, 0, 100)
    assert later.end == later.size
    for export in (later, earlier):
        assert manifest(export)["filter"] == {}
        assert verified(export, state)["completeness"] == "ok"
    assert manifest(later)["period"] == {"since": str(day)}


def test_range_in_which_nothing_happened_is_empty_and_proven(log: SignedLog, state: Path) -> None:
    export = made(since="2099-01-01")
    assert (export.records, export.begin) == (0, export.end)
    assert "failed" not in verified(export, state).values()


def test_records_that_were_deleted_leave_their_hashes_and_are_missed(
    log: SignedLog, adversary: Adversary, state: Path
) -> None:
    """Only what retention tells of may be missing at the end of the log; of a closed tree it tells in the next one."""
    adversary.sql.execute("DELETE FROM audit_record WHERE id IN (SELECT record_id FROM audit_leaf WHERE idx < 64)")
    export = made()
    assert export.end - export.begin - export.records == 64
    verdicts = verified(export, state)
    assert (verdicts["integrity"], verdicts["completeness"]) == ("ok", "failed")
    begin_next_tree(log)
    closed = made(tree=1)
    assert manifest(closed)["closed"] is True
    assert verified(closed, state)["completeness"] == "open"


def test_altered_record_is_exported_as_it_is_and_found(log: SignedLog, adversary: Adversary, state: Path) -> None:
    adversary.edit_leaf(70)
    assert verified(made(), state)["integrity"] == "failed"


# Decisions


def test_signatures_of_decisions_are_in_the_bundle_and_are_checked(
    held: World, signed_log: SignedLog, state: Path
) -> None:
    held.sign(held.review(large=True))
    _check_decision(signed_log, state)


def test_passkey_that_was_added_in_another_team_counts_all_the_same(
    held: World, signed_log: SignedLog, adversary: Adversary, state: Path
) -> None:
    held.sign(held.review(large=True))
    signed_log.sequence()
    adversary.sql.execute("UPDATE audit_record SET team = %s WHERE kind = %s", [OTHERS, Kind.PASSKEY_ENROLLED])
    assert Record.objects.filter(team=OTHERS).exists()
    _check_decision(signed_log, state)


def test_passkey_that_was_added_before_a_restore_counts_in_the_next_tree(
    held: World, signed_log: SignedLog, state: Path
) -> None:
    review = held.review(large=True)
    begin_next_tree(signed_log)
    held.sign(review)
    _check_decision(signed_log, state)


def _check_decision(signed_log: SignedLog, state: Path) -> None:
    signed_log.sequence()
    team = Record.objects.filter(kind=Kind.DECISION_MADE).values_list("team", flat=True)[0]
    theo = Actor("human", "usr_theo", team, "session", "Theo", frozenset({Role.AUDITOR}))
    export = made(by=theo)
    (decision,) = lines(export, "decisions.jsonl")
    assert decision.keys() >= {"index", "payload", "signature", "public_key", "enrolled"}
    assert verified(export, state)["decisions"] == "ok"


# The checkpoint that was kept


def test_checkpoint_that_was_kept_is_shown_to_be_the_beginning(log: SignedLog, state: Path) -> None:
    kept = newest_checkpoint_text()
    log.write(40, team=TEAM)
    log.sequence()
    export = made(previous=kept.replace("\n", "\r\n"))
    assert contents(export)["previous-checkpoint"].decode() == kept
    assert "failed" not in verified(export, state).values()
    (state / "kept").write_text(kept)
    assert verified(export, state, "--since", str(state / "kept"))["history"] == "ok"


def newest_checkpoint_text() -> str:
    return str(Checkpoint.objects.order_by("-size")[0].note)


def test_checkpoint_that_is_none_or_of_somebody_else_is_refused(log: SignedLog) -> None:
    good = newest_checkpoint_text()
    for text in ("x", good.replace("\n\n", "\n"), good.replace("\n", "1\n", 2), "x" * 30_000, "a\n1\n\n— b cccccccc\n"):
        with pytest.raises(Invalid):
            ask(previous=text)
    assert not Export.objects.exists()


def test_checkpoint_that_the_log_does_not_continue_is_an_alarm(log: SignedLog, adversary: Adversary) -> None:
    kept = newest_checkpoint_text()
    adversary.edit_leaf(3)
    adversary.derive()
    with pytest.raises(Conflict, match="was rewritten"):
        ask(previous=kept)
    assert "handed in" in told(Kind.ALARM_TAMPERED)[0]["what"]


def test_checkpoint_that_is_larger_than_the_log_is_an_alarm(log: SignedLog, adversary: Adversary) -> None:
    kept = newest_checkpoint_text()
    adversary.delete_tail(400)
    with pytest.raises(Conflict, match="was handed in, and the log has"):
        ask(previous=kept)
    assert len(told(Kind.ALARM_TAMPERED)) == 1


# Records, and the end


def test_what_was_asked_begun_and_done_is_recorded(log: SignedLog) -> None:
    export = made(kind="accounts:", since="2020-01-01")
    kinds = (Kind.EXPORT_REQUESTED, Kind.EXPORT_RUNNING, Kind.EXPORT_DONE)
    assert [(one.actor, one.subject, one.team) for kind in kinds for one in records(kind)] == [
        ("usr_auditor", export.pk, TEAM), ("publisher", export.pk, TEAM), ("publisher", export.pk, TEAM),
    ]  # fmt: skip
    asked, begun, done = (told(kind)[0] for kind in kinds)
    assert asked == {"form": "bundle", "filter": {"kind": "accounts:", "since": "2020-01-01"}}
    assert begun == {"origin": export.tree and export.tree.origin, "begin": 0, "end": export.end, "size": export.size}
    assert done["digest"] == export.digest == hashlib.sha256(contents(export)["manifest.json"]).hexdigest()
    assert (done["records"], done["length"]) == (20, archive_of(export).stat().st_size)


def test_files_are_for_the_console_alone(log: SignedLog) -> None:
    export = made()
    assert [file.name for file in folder_of(export).iterdir()] == ["export.zip"]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (exports_folder(), folder_of(export), archive_of(export))]
    assert modes == [0o700, 0o700, 0o600]


def test_exports_expire_after_seven_days(log: SignedLog) -> None:
    young, old = made("jsonl"), made("jsonl")
    Export.objects.filter(pk=old.pk).update(finished_at=now() - sweep.KEPT - dt.timedelta(minutes=1))
    assert expire_exports() == 1
    assert expire_exports() == 0
    assert {one.pk: one.state for one in Export.objects.all()} == {young.pk: "done", old.pk: "expired"}
    assert [one.subject for one in records(Kind.EXPORT_EXPIRED)] == [old.pk]
    assert (folder_of(young).exists(), folder_of(old).exists()) == (True, False)


# Who may


@pytest.mark.parametrize("role", [None, Role.REVIEWER, Role.OPERATOR])
def test_others_may_not_ask_and_the_attempt_is_recorded(log: SignedLog, role: Role | None) -> None:
    person = Actor("human", "usr_x", TEAM, "session", "X", frozenset({role} if role else ()))
    with pytest.raises(Forbidden):
        ask(by=person)
    assert not Export.objects.exists()
    assert [(one.actor, one.team) for one in records(Kind.ACCESS_REFUSED)] == [("usr_x", TEAM)]


def test_export_of_another_team_does_not_exist(log: SignedLog) -> None:
    export = ask()
    assert access_export(AUDITOR, export.pk) == export
    for identity in (export.pk, "exp_none"):
        with pytest.raises(NotFound):
            access_export(OUTSIDER, identity)
    assert [one.actor for one in records(Kind.ACCESS_REFUSED)] == [OUTSIDER.id]
    assert not visible_exports(OUTSIDER).exists()


@pytest.mark.parametrize(
    "filter",
    [{"since": "yesterday"}, {"since": "2026-11-20", "until": "2026-11-19"}, {"team": OTHERS}, {"kind": "a\x00b"},
     {"subject": "x" * 201}],
)  # fmt: skip
def test_what_cannot_be_chosen_by_is_refused(log: SignedLog, filter: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        ask(**filter)


def test_form_that_there_is_not_is_refused(log: SignedLog) -> None:
    with pytest.raises(Invalid, match="bundle, jsonl, csv, parquet, ocsf"):
        ask("docx")


def test_team_has_a_few_exports_under_way_at_most(log: SignedLog) -> None:
    for _ in range(MOST):
        ask("jsonl")
    with pytest.raises(Conflict, match="Wait until one is done"):
        ask("jsonl")
    ask("jsonl", by=OUTSIDER)
