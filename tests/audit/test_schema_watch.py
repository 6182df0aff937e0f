"""Changes of the log's own tables are in the log."""

import json

import psycopg
import pytest

from audit import fsck
from audit.models import Record
from audit.vocabulary import Kind
from tests.audit.conftest import SignedLog
from tests.services import services


def told() -> list[tuple[str, str, str]]:
    leaves = [json.loads(bytes(one.leaf)) for one in Record.objects.filter(kind=Kind.SCHEMA_CHANGED).order_by("at")]
    return [(leaf["actor"]["id"], leaf["detail"]["command"], leaf["detail"]["object"]) for leaf in leaves]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP TRIGGER append_only ON audit_record", ("DROP TRIGGER", "append_only on public.audit_record")),
        ("ALTER TABLE audit_leaf DISABLE TRIGGER append_only", ("ALTER TABLE", "public.audit_leaf")),
        ("GRANT UPDATE ON audit_record TO countersign_app", ("GRANT", "TABLE")),
        ('ALTER TABLE audit_record ADD COLUMN "ü""\t" text', ("ALTER TABLE", "public.audit_record")),
    ],
)
def test_a_change_of_the_schema_is_a_record(
    signed_log: SignedLog, committed: str, statement: str, expected: tuple[str, str]
) -> None:
    signed_log.sequence()
    with services().superuser(committed) as superuser:
        superuser.execute(statement.encode())
    assert ("countersign_super", *expected) in told()
    signed_log.sequence()
    assert fsck.check().findings == []  # canonical, and its columns say what the bytes say


@pytest.mark.parametrize("table", ["audit_record", "audit_waiting"])
def test_the_log_itself_cannot_be_dropped(signed_log: SignedLog, committed: str, table: str) -> None:
    signed_log.sequence()
    with services().superuser(committed) as superuser, pytest.raises(psycopg.Error, match="the log itself"):
        superuser.execute(f"DROP TABLE {table} CASCADE")
    assert Record.objects.exists()


def test_other_tables_are_nobodys_business(signed_log: SignedLog, committed: str) -> None:
    signed_log.sequence()
    before = told()
    with services().superuser(committed) as superuser:
        superuser.execute("CREATE TABLE other (id int)")
        superuser.execute("DROP TABLE other")
    assert told() == before
