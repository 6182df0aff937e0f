"""The forms for other programs: what they hold, and that nobody takes them for proofs."""

import csv
import importlib.util
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pyarrow import parquet

from audit import trees
from audit.exports import job, ocsf
from audit.exports.leaves import Row
from audit.exports.ocsf import ACCOUNT, API, AUTHENTICATION, ENTITY, EVENTS, FINDING, LIFECYCLE, WEB, Events
from audit.exports.table import COLUMNS, cell
from audit.leaf import Entry, build
from audit.models import Leaf, Record
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import ANONYMOUS, Actor, system
from console.core.clock import stamp
from console.core.errors import Conflict
from console.core.ids import uuid7
from tests.audit.conftest import SignedLog
from tests.audit.exports import TEAM, ask, contents, lines, made, manifest

HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x";"y")', 'a"b', "a,b", "a\r\nb", "ä 💥",
    "\u202e=1", "' OR 1=1", "|cmd",
]  # fmt: skip
PERSON = Actor("human", "usr_jonas", TEAM, "session", "Jonas")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, settings: Any) -> None:
    settings.STATE_DIR = tmp_path


@pytest.fixture
def log(signed_log: SignedLog) -> SignedLog:
    for text in HOSTILE:
        record(Kind.STEP_READY, subject=text, actor=PERSON, outcome=text, run=text, detail={"text": text},
               decision={"effect": text}, personal={"name": "Ada"})  # fmt: skip
    signed_log.sequence()
    return signed_log


def leaves() -> list[dict[str, Any]]:
    """As they are in the tree, in its order."""
    places = Leaf.objects.order_by("idx").values_list("record_id", flat=True)
    by_id = Record.objects.in_bulk(list(places))
    return [json.loads(bytes(by_id[place].leaf)) for place in places]


def test_json_lines_are_the_exact_records(log: SignedLog) -> None:
    export = made("jsonl")
    order = Leaf.objects.order_by("idx").values_list("record_id", flat=True)
    exact = [bytes(Record.objects.get(pk=identity).leaf) for identity in order]
    assert contents(export)["records.jsonl"] == b"\n".join(exact) + b"\n"


@pytest.mark.parametrize("form", ["csv", "parquet", "ocsf", "jsonl", "bundle"])
@pytest.mark.parametrize("leaf", [b"no JSON \xff", b"{}", b'{"ts":"never"}'])
def test_no_form_stops_at_bytes_that_are_no_record(log: SignedLog, committed: str, form: str, leaf: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_waiting (id, log, leaf, kind, subject, state, actor_kind, actor, team)"
            " VALUES (%s, %s, %s, 'forged:thing:made', 's', '', 'human', 'usr_forged', %s)",
            [uuid7(), trees.log_name(), leaf, TEAM],
        )
    log.sequence()
    export = made(form)
    assert export.state == "done"
    if form == "csv":
        last = list(csv.DictReader(io.StringIO(contents(export)["records.csv"].decode(), newline="")))[-1]
        assert (last["id"], last["kind"], last["leaf_hash"]) == ("", "", Leaf.objects.latest("idx").leaf_hash.hex())


def test_table_reads_back_as_the_records_with_every_cell_quoted(log: SignedLog) -> None:
    text = contents(made("csv"))["records.csv"].decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["id"] for row in rows] == [leaf["id"] for leaf in leaves()]
    assert [row["index"] for row in rows] == [str(number) for number in range(len(rows))]
    assert re.fullmatch(r'(?:"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*\r\n)+', text)
    steps = [row for row in rows if row["kind"] == Kind.STEP_READY]
    assert sorted(json.loads(row["detail"])["text"] for row in steps) == sorted(HOSTILE)
    assert "Ada" not in text


def test_no_cell_begins_a_formula(log: SignedLog) -> None:
    rows = csv.reader(io.StringIO(contents(made("csv"))["records.csv"].decode(), newline=""))
    cells = [one for row in rows for one in row]
    assert [one for one in cells if one[:1] in {"=", "+", "-", "@", "\t", "\r"}] == []
    assert {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", 'a"b', "|cmd"} <= set(cells)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", '""'), (7, '"7"'), ('a"b', '"a""b"'), ("=x", '"\'=x"'), ("-5", '"\'-5"'), ("a=b", '"a=b"')],
)
def test_cell(value: object, expected: str) -> None:
    assert cell(value) == expected


def test_empty_table_has_its_header(log: SignedLog) -> None:
    assert contents(made("csv", since="2099-01-01"))["records.csv"].count(b"\r\n") == 1


def test_parquet_holds_the_same_columns_chunk_by_chunk(log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "CHUNK", 5)
    files = contents(made("parquet"))
    tables = [parquet.read_table(io.BytesIO(files[name])) for name in sorted(files) if name.endswith(".parquet")]
    rows = [row for table in tables for row in table.to_pylist()]
    assert [table.num_rows for table in tables[:-1]] == [5] * (len(tables) - 1)
    assert [row["id"] for row in rows] == [leaf["id"] for leaf in leaves()]
    assert sorted(row["subject"] for row in rows if row["kind"] == Kind.STEP_READY) == sorted(HOSTILE)
    assert {row["time"].tzname() for row in rows} == {"UTC"}


def test_parquet_that_is_not_installed_is_refused_in_words(log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Conflict, match="pip install pyarrow"):
        ask("parquet")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "ocsf"])
def test_what_proves_nothing_says_so(log: SignedLog, form: str) -> None:
    export = made(form)
    told = manifest(export)
    assert (told["format"], told["form"]) == ("countersign-export/1", form)
    assert told["verification"] == "not for verification; ask for a bundle"
    files = contents(export)
    assert set(told["files"]) == files.keys() - {"manifest.json"}
    assert {name: one["bytes"] for name, one in told["files"].items()} == {
        name: len(files[name]) for name in told["files"]
    }
    assert "Not for verification" in files["README.txt"].decode()


# OCSF

REQUIRED = {"category_uid", "class_uid", "activity_id", "type_uid", "severity_id", "time", "metadata"}
OF_CLASS = {
    FINDING: {"finding_info"}, ACCOUNT: {"user"}, AUTHENTICATION: {"user", "service"}, ENTITY: {"entity"},
    ocsf.ACCESS: {"user", "privileges"}, WEB: {"web_resources"}, LIFECYCLE: {"app"},
    API: {"actor", "api", "src_endpoint"},
}  # fmt: skip


def row(kind: str, actor: Actor = PERSON, **fields: Any) -> Row:
    entry = Entry(kind, fields.pop("subject", "thing"), actor, TEAM, **fields)
    leaf = build(entry, log="localhost:1", identity=uuid7(), at=stamp(), writer=("w", 1), commitments=[])
    return Row(7, leaf, bytes(32))


def test_every_kind_of_record_is_an_event() -> None:
    assert EVENTS.keys() == set(Kind)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("actor", [PERSON, system("door"), ANONYMOUS])
def test_event_has_what_its_class_requires(kind: Kind, actor: Actor) -> None:
    for subject in ("thing", ""):
        event = Events("localhost:1/1").event(row(kind, actor, subject=subject))
        assert event.keys() >= REQUIRED | OF_CLASS[EVENTS[kind].of]
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        assert event["actor"].keys() & {"user", "app_name"}
        assert event["metadata"].keys() >= {"version", "product"}
        for name in ("user", "entity", "app", "finding_info"):
            assert event.get(name, {"uid": "x"})["uid"]


def test_event_tells_where_its_record_stands(log: SignedLog) -> None:
    events = lines(made("ocsf"), "events.ocsf.jsonl")
    assert [event["metadata"]["uid"] for event in events] == [leaf["id"] for leaf in leaves()]
    hashes = Leaf.objects.order_by("idx").values_list("idx", "leaf_hash")
    assert [(event["unmapped"]["log"]["index"], event["unmapped"]["log"]["leaf_hash"]) for event in events] == [
        (index, bytes(digest).hex()) for index, digest in hashes
    ]
    assert [event["metadata"]["sequence"] for event in events] == list(range(len(events)))


def test_events_tell_failure_and_alarm() -> None:
    told = {kind: Events("x/1").event(row(kind)) for kind in Kind}
    assert {kind for kind, event in told.items() if event["status_id"] == 2} == {
        Kind.ACTION_FAILED, Kind.ACTION_REFUSED, Kind.REVIEW_REFUSED, Kind.CALL_FAILED, Kind.RUN_FAILED,
        Kind.STEP_FAILED, Kind.ATTEMPT_LOST, Kind.SESSION_REFUSED, Kind.PASSWORD_REFUSED, Kind.PASSWORD_THROTTLED,
        Kind.ACCESS_REFUSED, Kind.ALARM_TAMPERED, Kind.OUTLET_FAILED, Kind.EXPORT_FAILED,
        Kind.LISTING_FAILED, Kind.IMPORT_FAILED, Kind.AUTHORIZATION_FAILED, Kind.WEBHOOK_REFUSED,
        Kind.HEALTH_TEST_REFUSED, Kind.CREDENTIAL_REFUSED, Kind.NOTICE_GIVEN_UP,
    }  # fmt: skip
    assert [kind for kind, event in told.items() if event["severity_id"] == 4] == [Kind.ALARM_TAMPERED]


def test_kind_of_a_newer_version_is_not_left_out() -> None:
    event = Events("x/1").event(row("rooms:thing:happened"))
    assert (event["class_uid"], event["activity_id"], event["message"]) == (3004, 99, "rooms:thing:happened")
