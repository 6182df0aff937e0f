"""A month ends: as a whole, told in the log, with everything else still proven, and never when something speaks
against it."""

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from audit import fsck, retention, trees
from audit.holds import place_hold
from audit.models import Disclosure, Hold, Leaf, Record, Tree
from audit.record import record
from audit.retention import KEPT, Month, drop_month, later, listing, midnight, tell_policy
from audit.sequencer import faults_in_tile
from audit.verify import check_consistency, check_inclusion
from audit.vocabulary import Kind
from console.core.actor import Role, system
from console.core.clock import now
from console.core.errors import Conflict
from console.home.processes import ROOT
from tests.audit.conftest import SignedLog, hashes_of, root_of
from tests.audit.exports import contents, made, manifest, verified
from tests.audit.past import MIGRATION, TEAM, Past, as_migrator, month, months_ago, person, run_retention
from tests.services import services
from tests.stack import wait_until

OLD, HELD, RECENT = months_ago(14), months_ago(13), months_ago(3)
ACTOR = system("tests", TEAM)
THEO = person("theo", Role.AUDITOR)


@pytest.fixture
def past(committed: str, signed_log: SignedLog, tmp_path: Path, settings: Any) -> Past:
    """300 records of fourteen months ago, each with a personal value, and 300 of today."""
    settings.STATE_DIR = tmp_path
    past = Past(committed, signed_log)
    signed_log.sequence()  # what the log tells of itself is of today
    for number in range(300):
        record(Kind.STEP_READY, subject=f"stp_{number}", actor=ACTOR, personal={"text": f"Ada {number}"})
    past.age(OLD)
    signed_log.sequence()
    signed_log.write(300, team=TEAM)
    signed_log.sequence()
    return past


@pytest.fixture
def owner(past: Past) -> Iterator[Past]:
    with as_migrator():
        yield past


def told(kind: Kind) -> list[dict[str, Any]]:
    return [json.loads(bytes(one.leaf)) for one in Record.objects.filter(kind=kind).order_by("at")]


def refusal(which: Month) -> str:
    before = Record.objects.count()
    with pytest.raises(Conflict) as refused:
        drop_month(which, actor=MIGRATION)
    assert Record.objects.count() == before
    return str(refused.value)


def test_the_command_drops_what_is_over_and_tells_the_log(past: Past) -> None:
    tree = Tree.objects.get()
    places = list(Leaf.objects.filter(at__lt=midnight(HELD)).order_by("idx").values_list("idx", flat=True))
    today = now().date().replace(day=1)
    kept = f"{today:%Y-%m}  kept until {later(today, 13)}"
    assert run_retention(past.database, "--dry-run") == (0, [f"{OLD:%Y-%m}  to be dropped: 300 records", kept])
    assert told(Kind.RETENTION_PRUNED) == told(Kind.RETENTION_SET) == []
    code, lines = run_retention(past.database)
    assert (code, lines) == (0, [f"{OLD:%Y-%m}  dropped: 300 records; 0 kept, as passkeys, names or keys rest on them",
                                 kept])  # fmt: skip
    (pruned,) = told(Kind.RETENTION_PRUNED)
    assert (pruned["object"], pruned["actor"]["id"], pruned["team"]) == (f"{OLD:%Y-%m}", "retention", "")
    signed = {"size": tree.size, "root": bytes(tree.root).hex()}
    assert pruned["detail"] == {"records": 300, "kept": 0, "months": 12, "trees": [
        {"origin": tree.origin, "begin": places[0], "end": places[-1] + 1, "records": 300, **signed}]}  # fmt: skip
    assert [one["detail"] for one in told(Kind.RETENTION_SET)] == [{"months": 12, "before": 0}]
    assert not Record.objects.filter(subject__startswith="stp_").exists()
    assert not Disclosure.objects.exists()
    assert run_retention(past.database) == (0, [kept])
    assert len(told(Kind.RETENTION_PRUNED)) == 1


def test_what_is_left_still_verifies(owner: Past, tmp_path: Path) -> None:
    """Inclusion, consistency, the whole log derived again, and what an auditor gets."""
    before = Tree.objects.get()
    earlier = trees.newest_checkpoint(before)
    assert earlier is not None
    drop_month(month(OLD), actor=MIGRATION)
    tree = owner.log.sequence()
    hashes = hashes_of(tree)
    assert hashes[: before.size] == hashes_of(before)[: before.size]
    for index in (0, 3, 150, 310, before.size - 1, tree.size - 1):
        check_inclusion(index, tree.size, hashes[index], trees.inclusion_proof(tree, index, tree.size), root_of(hashes))
    proof = trees.consistency_proof(tree, before.size, tree.size)
    check_consistency(before.size, tree.size, bytes(before.root), bytes(tree.root), proof)
    report = fsck.check()
    assert (report.findings, report.pruned, report.erased) == ([], 300, 0)
    assert report.records == tree.size - 300
    assert all(faults_in_tile(tree, number) == [] for number in range(tree.size // 256))
    export = made(previous=earlier.note)
    assert (manifest(export)["begin"], manifest(export)["records"]) == (0, export.end - 300)
    assert len(contents(export)["hashes.bin"]) == 32 * export.end
    states = verified(export, tmp_path)
    assert states["integrity"] == "ok"
    assert "failed" not in states.values()


def test_what_the_present_rests_on_outlives_its_month(owner: Past, tmp_path: Path) -> None:
    for kind in KEPT:
        record(kind, subject=f"of {kind}", actor=ACTOR, personal={"name": "Ada"},
               detail={"records": 0} if kind == Kind.RETENTION_PRUNED else {"months": 12})  # fmt: skip
    record(Kind.STEP_READY, subject="stp_x", actor=ACTOR, personal={"name": "Ada"})
    owner.age(HELD)
    owner.log.sequence()
    dropped = drop_month(month(HELD), actor=MIGRATION)
    assert (dropped.records, dropped.kept) == (1, len(KEPT))
    assert set(
        Record.objects.filter(at__lt=midnight(months_ago(12)), at__gte=midnight(HELD)).values_list("kind", flat=True)
    ) == {*KEPT}
    assert Disclosure.objects.filter(path="name").count() == len(KEPT)
    owner.log.sequence()
    assert fsck.check().findings == []
    assert verified(made(), tmp_path)["integrity"] == "ok"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM audit_kept_{HELD:%Y%m}")


def test_database_and_code_keep_the_same_kinds(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_kept_kinds()")
        assert sorted(cursor.fetchone()[0]) == sorted(KEPT)


def test_a_record_that_goes_with_a_dropped_month_unseen_is_counted(owner: Past) -> None:
    record(Kind.LOG_OPENED, subject="kept", actor=ACTOR)
    owner.age(HELD)
    owner.log.sequence()
    drop_month(month(HELD), actor=MIGRATION)
    with services().superuser(owner.database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM audit_record WHERE subject = 'kept'")
    assert fsck.check().findings == [f"1 records of {HELD:%Y-%m} are gone, and 0 were told to be dropped"]


def test_what_is_missing_beside_a_dropped_month_is_found(owner: Past) -> None:
    """They say that a record of today was of that month, or that one more was dropped."""
    tree = Tree.objects.get()
    drop_month(month(OLD), actor=MIGRATION)
    owner.log.sequence()
    (places,) = [one["detail"]["trees"][0] for one in told(Kind.RETENTION_PRUNED)]
    place = Leaf.objects.get(idx=places["end"] + 5)
    name = f"Record {place.idx} of {tree} ({place.record_id})"
    counted = [f"301 leaves of {tree} are of {OLD:%Y-%m}, and 300 were told"]
    with services().superuser(owner.database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE audit_leaf SET at = %s WHERE idx = %s", [midnight(OLD), place.idx])
        left = f"{name} is left of {OLD:%Y-%m}, which was dropped"
        stray = f"Record {place.record_id} is in the log and has no place in a tree"
        assert fsck.check().findings == [left, *counted, stray]
        superuser.execute("DELETE FROM audit_record WHERE id = %s", [place.record_id])
        outside = f"{name} is gone, and lies outside of what was told to be dropped with {OLD:%Y-%m}"
        assert fsck.check().findings == [outside, *counted]
    record(Kind.RETENTION_PRUNED, subject=f"{OLD:%Y-%m}", actor=MIGRATION, team="", detail={"records": 1})
    owner.log.sequence()
    assert fsck.check().findings[0] == f"{OLD:%Y-%m} is told to be dropped more than once"


def test_a_month_is_kept_as_long_as_was_set(owner: Past, settings: Any) -> None:
    owner.write(5, RECENT)
    assert refusal(month(RECENT)) == f"{RECENT:%Y-%m} is kept until {later(RECENT, 13)}."
    settings.RETENTION_MONTHS = 14
    assert month(OLD).kept_until == later(OLD, 15)
    assert refusal(month(OLD)).startswith(f"{OLD:%Y-%m} is kept until")


def test_not_even_the_owner_drops_what_is_younger_than_six_months(owner: Past, settings: Any) -> None:
    owner.write(5, RECENT)
    settings.RETENTION_MONTHS = 1  # what the settings refuse
    said = f"{RECENT:%Y-%m} was not dropped: records of {RECENT:%Y-%m} are younger than six months."
    assert refusal(month(RECENT)) == said


def test_another_number_of_months_is_told_once(past: Past, settings: Any) -> None:
    for months in (12, 12, 24):
        settings.RETENTION_MONTHS = months
        tell_policy(MIGRATION)
    assert [one["detail"] for one in told(Kind.RETENTION_SET)] == [
        {"months": 12, "before": 0},
        {"months": 24, "before": 12},
    ]


@pytest.mark.parametrize("given", ["5", "0", "-1"])
def test_less_than_the_law_asks_for_refuses_to_start(given: str) -> None:
    told = {**os.environ, "COUNTERSIGN_RETENTION_MONTHS": given}
    done = subprocess.run([sys.executable, "manage.py", "beat"], env=told, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"COUNTERSIGN_RETENTION_MONTHS is {given}. Records are kept for at least 6 months" in done.stderr


def test_nobody_but_the_owner_drops_a_month(past: Past) -> None:
    which = month(OLD)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT audit_drop_month(%s)", [which.first])
    done = subprocess.run([sys.executable, "manage.py", "retention"], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "COUNTERSIGN_DATABASE_URL": url(past.database)})  # fmt: skip
    assert done.returncode == 1
    assert "Only the migrator drops months" in done.stderr
    assert Record.objects.filter(subject="stp_7").exists()


def url(database: str) -> str:
    return services().postgres.url("countersign_app", database)


def test_a_month_goes_only_with_its_record(owner: Past) -> None:
    with pytest.raises(DatabaseError, match="without a record"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT audit_drop_month(%s)", [OLD])


def test_a_dropped_month_is_not_dropped_again(owner: Past) -> None:
    which = month(OLD)
    drop_month(which, actor=MIGRATION)
    assert refusal(which) == f"There is no month {OLD:%Y-%m} to drop: it was dropped already."


def test_records_without_a_place_in_the_tree_keep_their_month(owner: Past) -> None:
    owner.log.write(3)
    owner.age(OLD)
    assert refusal(month(OLD)) == f"3 records of {OLD:%Y-%m} wait for their place in the tree."


def test_nothing_is_dropped_while_the_tree_is_not_signed(owner: Past) -> None:
    Tree.objects.update(problem="The signer does not answer.")
    assert refusal(month(OLD)) == "Nothing is dropped while the tree is not signed. The signer does not answer."


def test_a_month_under_a_hold_stays(past: Past) -> None:
    hold = place_hold(THEO, OLD.replace(day=28), None, "Case 12")
    owner_says = [f"{OLD:%Y-%m}  kept, held by {hold.id}"]
    assert run_retention(past.database)[1][:1] == owner_says
    with as_migrator():
        assert refusal(month(OLD)) == f"{OLD:%Y-%m} is held by {hold.id}."
        with pytest.raises(DatabaseError, match="a hold touches"):
            drop_past_the_checks()


@transaction.atomic
def drop_past_the_checks() -> None:
    record(Kind.RETENTION_PRUNED, subject=f"{OLD:%Y-%m}", actor=MIGRATION, team="")
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_drop_month(%s)", [OLD])


def test_holds_before_and_after_do_not_keep_it(past: Past) -> None:
    place_hold(THEO, later(OLD, -2), OLD - dt.timedelta(1), "before")
    place_hold(THEO, later(OLD, 1), None, "after")
    assert run_retention(past.database)[1][0].startswith(f"{OLD:%Y-%m}  dropped: 300 records")


def waits_for_a_lock(database: str) -> bool:
    with services().superuser(database) as superuser:
        found = superuser.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s",
                                  [database]).fetchone()  # fmt: skip
    return found is not None


def test_a_hold_that_is_being_placed_is_waited_for(past: Past) -> None:
    """Its transaction is open when the month is looked at."""
    said: list[tuple[int, list[str]]] = []
    with transaction.atomic():
        hold = place_hold(THEO, OLD, OLD, "Case 13")
        command = threading.Thread(target=lambda: said.append(run_retention(past.database)))
        command.start()
        wait_until(lambda: waits_for_a_lock(past.database), "the drop waits for the hold")
    command.join(60)
    code, lines = said[0]
    assert (code, lines[0]) == (1, f"{OLD:%Y-%m}  not dropped: {OLD:%Y-%m} is held by {hold.id}.")
    assert Record.objects.filter(subject="stp_7").exists()


def test_two_at_once_drop_it_once(owner: Past) -> None:
    which = month(OLD)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [retention.ONE_AT_A_TIME])
        said: list[str] = []

        def second() -> None:
            said.append(refusal(which))
            connection.close()

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(60)
    assert said == ["Another retention is at work."]


def test_a_reader_is_not_waited_for_long(owner: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes a record waits behind the drop, so the drop does not wait for a backup."""
    monkeypatch.setattr(retention, "PATIENCE", "50ms")
    with services().superuser(owner.database) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit_record")
        said = f"{OLD:%Y-%m} is being read: by a backup, an export or fsck. Try again later."
        assert refusal(month(OLD)) == said
    drop_month(month(OLD), actor=MIGRATION)


def test_months_follow_each_other() -> None:
    assert later(dt.date(2025, 11, 1), 13) == dt.date(2026, 12, 1)
    assert later(dt.date(2025, 11, 1), 2) == dt.date(2026, 1, 1)
    assert later(dt.date(2025, 1, 1), -1) == dt.date(2024, 12, 1)


def test_the_months_to_come_are_not_listed(db: None) -> None:
    assert [str(one) for one in listing()] == [f"{now():%Y-%m}"]
    assert not Hold.objects.exists()
