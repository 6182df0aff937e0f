"""Changes of the log's own tables, and of what guards the others, are in the log."""

import json

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from audit import fsck, protection
from audit.models import Record
from audit.vocabulary import Kind
from tests.audit.conftest import SignedLog
from tests.audit.past import as_migrator
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
        ("ALTER DEFAULT PRIVILEGES GRANT UPDATE ON TABLES TO PUBLIC", ("ALTER DEFAULT PRIVILEGES", "TABLES")),
        (
            "DROP TRIGGER guarded_update ON approvals_action",
            ("DROP TRIGGER", "guarded_update on public.approvals_action"),
        ),
        ("ALTER TABLE approvals_action DISABLE TRIGGER guarded_update", ("ALTER TABLE", "public.approvals_action")),
        (
            "ALTER TRIGGER used_once ON approvals_permit RENAME TO harmless",
            ("ALTER TRIGGER", "harmless on public.approvals_permit"),
        ),
        ("ALTER TABLE approvals_permit RENAME TO harmless", ("ALTER TABLE", "public.harmless")),
        ("DROP TABLE approvals_permit", ("DROP TABLE", "used_once on public.approvals_permit")),
        (
            "CREATE RULE harmless AS ON UPDATE TO accounts_team DO INSTEAD NOTHING",
            ("CREATE RULE", "harmless on public.accounts_team"),
        ),
        ("ALTER FUNCTION approvals_require_permit RENAME TO harmless", ("ALTER FUNCTION", "public.harmless()")),
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


def test_whoever_switches_triggers_off_for_their_session_is_told_of_too(signed_log: SignedLog, committed: str) -> None:
    signed_log.sequence()
    before = told()
    with services().superuser(committed) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DROP TRIGGER append_only ON audit_record")
        superuser.execute("ALTER TABLE approvals_action DISABLE TRIGGER guarded_update")
    found = set(told()) - set(before)
    assert found >= {
        ("countersign_super", "DROP TRIGGER", "append_only on public.audit_record"),
        ("countersign_super", "ALTER TABLE", "public.approvals_action"),
    }


def test_what_a_migration_does_to_a_guarded_table_is_a_record(signed_log: SignedLog, committed: str) -> None:
    signed_log.sequence()
    with as_migrator(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE approvals_action ADD COLUMN other text")
    assert ("countersign_migrator", "ALTER TABLE", "public.approvals_action") in told()


WATCH = "Changes of these tables are records"


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("ALTER EVENT TRIGGER audit_schema_changed DISABLE", {WATCH}),
        ("ALTER EVENT TRIGGER audit_schema_dropped ENABLE", {WATCH}),  # and silent in a replica's session
        ("ALTER DATABASE {} SET event_triggers = off", {WATCH}),
        ("ALTER DATABASE {} SET session_replication_role = replica",
         {"Triggers refuse every change", "No change of state without its record"}),
    ],
)  # fmt: skip
def test_the_page_of_protections_says_what_was_switched_off(
    signed_log: SignedLog, committed: str, statement: str, missing: set[str]
) -> None:
    def standing() -> set[str]:
        return {check.title for check in protection.judge(protection.read_facts(), None) if check.holds}

    before = standing()
    with services().superuser(committed) as superuser:
        superuser.execute(sql.SQL(statement).format(sql.Identifier(committed)))
    connection.close()  # a new one has the new settings
    assert before - standing() == missing


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
        superuser.execute("CREATE TABLE one (id int PRIMARY KEY)")
        superuser.execute("CREATE TABLE other (id int REFERENCES one)")
        superuser.execute("DROP TABLE one, other")
    assert told() == before
