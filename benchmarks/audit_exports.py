"""What auditors take away: exports of the whole log beside COPY of the same records, and their verification."""

import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64decode
from pathlib import Path
from zipfile import ZipFile

import psycopg
from django.db import connection

from audit.exports import work_off
from audit.exports.files import archive_of, delete_files
from audit.exports.request import request_export
from audit.models import LogKey, Tree
from audit.trees import open_tree
from audit.verify import RangeCheck, leaf_hash, parse_checkpoint, parse_note
from benchmarks.audit_rows import TEAM
from benchmarks.bench import CouldNotMeasure, say
from benchmarks.form import Figure, figure
from console.core.actor import Actor, Role
from console.home.processes import ROOT

AUDITOR = Actor("human", "usr_auditor", TEAM, "session", "Auditor", frozenset({Role.AUDITOR}))
VERIFY = ROOT / "audit" / "verify.py"
AT_ONCE = 2_048  # leaves

# What an export holds, in its order; and the same rows as they lie in the table, which nobody could verify.
_IN_ORDER = """
COPY (SELECT convert_from(record.leaf, 'UTF8')
      FROM audit_leaf AS leaf JOIN audit_record AS record ON record.id = leaf.record_id AND record.at = leaf.at
      WHERE leaf.tree_id = {tree} AND leaf.idx < {size} ORDER BY leaf.idx) TO STDOUT
"""
_UNORDERED = "COPY (SELECT convert_from(leaf, 'UTF8') FROM audit_record) TO STDOUT"


def measured(folder: Path, runs: int) -> dict[str, Figure]:
    tree = open_tree()
    assert tree is not None
    rates: dict[str, list[float]] = {}
    for number in range(runs):
        say(f"exports of {tree.size:,} records, {number + 1} of {runs}")
        for name, question in (("copy", _IN_ORDER), ("copy_unordered", _UNORDERED)):
            rates.setdefault(name, []).append(tree.size / copied(question.format(tree=tree.pk, size=tree.size), folder))
        for form in ("jsonl", "bundle"):
            rates.setdefault(form, []).append(exported(form, folder))
    say("verification")
    for _ in range(runs):
        rates.setdefault("range_checked", []).append(range_checked(folder / "bundle.zip"))
        rates.setdefault("bundle_verified", []).append(verified(folder / "bundle.zip", tree))
    figures = {name: figure(values, "records/s") for name, values in rates.items()}
    for form in ("jsonl", "bundle"):
        for name, raw in (("share", "copy"), ("share_of_unordered", "copy_unordered")):
            shares = [ours / theirs for ours, theirs in zip(rates[form], rates[raw], strict=True)]
            figures[f"{form}_{name}"] = figure(shares, "times")
    return figures


def copied(question: str, folder: Path) -> float:
    """Seconds, until the file is on the disk."""
    began = time.monotonic()
    connection.ensure_connection()
    database: psycopg.Connection = connection.connection
    with (folder / "copied").open("wb") as file:
        with database.cursor() as cursor, cursor.copy(question.encode()) as blocks:
            for block in blocks:
                file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - began


def exported(form: str, folder: Path) -> float:
    """Records in a second, as the publisher writes them. The archive is moved to the folder."""
    export = request_export(AUDITOR, form=form, filter={})
    began = time.monotonic()
    work_off(threading.Event())
    seconds = time.monotonic() - began
    export.refresh_from_db()
    if export.state != "done":
        raise CouldNotMeasure(f"The export {form} is {export.state}: {export.error}")
    archive_of(export).replace(folder / f"{form}.zip")
    delete_files(export)
    return export.records / seconds


def range_checked(bundle: Path) -> float:
    """Leaves in a second: hashed, and proven to be all there are in their range."""
    with ZipFile(bundle) as archive:
        leaves = archive.read("leaves.jsonl").splitlines()
        checkpoint = parse_checkpoint(parse_note(archive.read("checkpoint").decode()).body)
        proof = archive.read("range-proof.txt").decode()
    numbers = proof.splitlines()[1]
    begin, end, size = map(int, numbers.split())
    left, right = ([b64decode(line) for line in half.split()] for half in proof.split(numbers)[1].split("\n\n"))
    began = time.process_time()
    check = RangeCheck(begin, end, size, left, right)
    for at in range(0, len(leaves), AT_ONCE):
        check.append([leaf_hash(leaf) for leaf in leaves[at : at + AT_ONCE]])
    check.finish(checkpoint.root)
    return len(leaves) / (time.process_time() - began)


def verified(bundle: Path, tree: Tree) -> float:
    """Records in a second by the program that every bundle brings, with all that it does, in one process."""
    keys = [part for key in LogKey.objects.filter(tree=tree) for part in ("--key", key.vkey)]
    before = os.times()
    program = [sys.executable, "-I", str(VERIFY), "--json", *keys, str(bundle)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    after = os.times()
    told = json.loads(done.stdout or "{}")
    if done.returncode or not told.get("ok"):
        raise CouldNotMeasure(f"The bundle does not verify: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return float(told["records"]) / spent
