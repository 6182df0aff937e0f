"""What the database itself refuses: changing the log, a change without its record, a move that is not in the table."""
# ruff: noqa: F811  (parameters bear the names of imported fixtures, as pytest wants it)

from collections.abc import Callable

import psycopg
import pytest
from django.db import IntegrityError, connection, models, transaction

from approvals.models import Action, Review
from audit.models import Record
from console.core.states import final
from console.runs.models import Run, Step
from integrations.models import Call, Operation
from tests.spine.attacker import APP, DOOR, REFUSED, UNRECORDED, Attacker, owner
from tests.spine.scene import Scene, prepared_scene, scene, sql  # noqa: F401  (fixtures)

LOG = ["audit_record", "audit_record_default", "audit_waiting", "audit_disclosure"]


def partitions(database: str) -> list[str]:
    with owner(database) as tables:
        found = tables.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_record'::regclass"
        )
        return [row[0] for row in found]


@pytest.mark.parametrize("role", [APP, DOOR])
def test_the_products_roles_cannot_change_the_log(role: str, scene: Scene) -> None:
    tables = [*LOG, *partitions(scene.database)]
    assert len(tables) >= 7
    with Attacker(scene.database, role) as sql:
        for table in tables:
            column = "value" if table == "audit_disclosure" else "kind"
            for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with sql.refused(says="permission denied"):
                    sql.run(statement)


@pytest.mark.parametrize("role", [APP, DOOR])
def test_the_products_roles_cannot_write_what_the_database_fills_in(role: str, scene: Scene) -> None:
    """Its moment and its transaction: a record cannot be back-dated."""
    with Attacker(scene.database, role) as sql:
        for column, value in (("at", "2020-01-01"), ("txid", "1")):
            with sql.refused(REFUSED):
                sql.run(f"INSERT INTO audit_waiting (id, log, leaf, kind, subject, actor_kind, actor, {column})"
                        " VALUES (gen_random_uuid(), 'l', '', 'k', 's', 'system', 'a', %s)", value)  # fmt: skip
        for partition in ("audit_record", *partitions(scene.database)):
            with sql.refused(says="permission denied"):
                sql.run(f"INSERT INTO {partition} (id) VALUES (gen_random_uuid())")


@pytest.mark.parametrize("statement", ["UPDATE audit_record SET kind = 'x'", "DELETE FROM audit_record",
                                       "TRUNCATE audit_record", "UPDATE audit_waiting SET kind = 'x'",
                                       "DELETE FROM audit_waiting", "TRUNCATE audit_waiting"])  # fmt: skip
def test_even_for_the_owner_the_log_is_append_only(statement: str, scene: Scene) -> None:
    with owner(scene.database) as tables:
        columns = "id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace"
        tables.execute(f"INSERT INTO audit_record ({columns}) SELECT {columns} FROM audit_waiting LIMIT 1")
        with pytest.raises(psycopg.Error, match="append-only") as refusal:
            tables.execute(statement)
    assert refusal.value.sqlstate == "42501"


@pytest.mark.parametrize("role", [APP, DOOR])
@pytest.mark.parametrize("statement", [
    "ALTER TABLE audit_record DISABLE TRIGGER ALL",
    "ALTER TABLE approvals_action DISABLE TRIGGER guarded_update",
    "ALTER TABLE accounts_passkey DISABLE TRIGGER USER",
    "DROP TRIGGER append_only ON audit_record",
    "SET session_replication_role = replica",
    "SELECT audit_guard('approvals_action', 'held>permitted')",
    "CREATE TABLE public.audit_shadow (id int)",
    "SET ROLE countersign_owner",
])  # fmt: skip
def test_the_products_roles_cannot_switch_guards_off(role: str, statement: str, scene: Scene) -> None:
    with Attacker(scene.database, role) as sql, sql.refused():
        sql.run(statement)


GUARDED: dict[str, tuple[type[models.Model], str]] = {
    "action": (Action, "withdrawn"),
    "review": (Review, "withdrawn"),
    "run": (Run, "cancelled"),
    "step": (Step, "cancelled"),
}
MOMENTS = {"action": "settled_at", "review": "closed_at", "run": "finished_at", "step": "due_at"}


def open_row(name: str) -> tuple[models.Model, str]:
    model, to = GUARDED[name]
    ended = final(model.TRANSITIONS)  # type: ignore[attr-defined]
    row = model._default_manager.exclude(state__in=ended).exclude(state="planned").first()
    assert row is not None
    return row, to


def by_sql(row: models.Model, to: str, moment: str) -> None:
    with connection.cursor() as cursor:
        table = row._meta.db_table
        cursor.execute(f"UPDATE {table} SET state = %s, {moment} = now() WHERE id = %s", [to, row.pk])


def by_update(row: models.Model, to: str, moment: str) -> None:
    from console.core.clock import now

    type(row)._default_manager.filter(pk=row.pk).update(**{"state": to, moment: now()})


def by_bulk_update(row: models.Model, to: str, moment: str) -> None:
    from console.core.clock import now

    setattr(row, moment, now())
    row.state = to  # type: ignore[attr-defined]
    type(row)._default_manager.bulk_update([row], ["state", moment])


def by_save(row: models.Model, to: str, moment: str) -> None:
    from console.core.clock import now

    setattr(row, moment, now())
    row.state = to  # type: ignore[attr-defined]
    row.save()


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize("change", [by_sql, by_update, by_bulk_update, by_save])
def test_no_change_of_state_commits_without_its_record(
    name: str, change: Callable[[models.Model, str, str], None], scene: Scene
) -> None:
    row, to = open_row(name)
    before = row.state  # type: ignore[attr-defined]
    with pytest.raises(IntegrityError, match=f"became {to} without a record") as refusal, transaction.atomic():
        change(row, to, MOMENTS[name])
    assert getattr(refusal.value.__cause__, "sqlstate", "") == UNRECORDED
    row.refresh_from_db()
    assert row.state == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", GUARDED)
def test_no_row_begins_without_its_record(name: str, scene: Scene) -> None:
    row, _ = open_row(name)
    row.pk, row.state = f"{row.pk}x", next(iter(row.TRANSITIONS["initial"]))  # type: ignore[attr-defined]
    for field in ("lease_owner", "settled_at", "closed_at", "finished_at"):
        if hasattr(row, field):
            setattr(row, field, None)
    if name in ("action", "step"):
        setattr(row, "step" if name == "action" else "index", "" if name == "action" else 99)
    if isinstance(row, Review):
        row.action = Action.objects.get(operation__slug="list_charges")
    with pytest.raises(IntegrityError, match="without a record"), transaction.atomic():
        row.save(force_insert=True)


def test_no_call_begins_without_its_record(scene: Scene) -> None:
    """Of effect read, since for any other a permit would be asked for first."""
    operation = Operation.objects.get(slug="get_charge")
    call = Call(team_id=operation.integration.team_id, operation=operation, action="", effect="read", key="",
                request_digest=bytes(32), door=1)  # fmt: skip
    with pytest.raises(IntegrityError, match="without a record"), transaction.atomic():
        call.save(force_insert=True)


def test_a_row_inserted_and_deleted_in_one_transaction_needs_its_record_too(scene: Scene) -> None:
    copy = """{"id": "run_gone"}"""
    with owner(scene.database) as tables:
        tables.execute("BEGIN")
        tables.execute("INSERT INTO runs_run SELECT (jsonb_populate_record(r, %s)).* FROM runs_run r", [copy])
        tables.execute("DELETE FROM runs_run WHERE id = 'run_gone'")
        with pytest.raises(psycopg.Error, match="without a record"):
            tables.execute("COMMIT")


def test_a_record_of_an_earlier_transaction_does_not_count(scene: Scene, sql: Attacker) -> None:
    review = scene.world.review(large=True)
    sql.record("approvals:review:withdrawn", review.id, "withdrawn")
    with sql.refused(UNRECORDED, "without a record"):
        sql.run("UPDATE approvals_review SET state = 'withdrawn', closed_at = now() WHERE id = %s", review.id)


def test_a_temporary_table_does_not_stand_in_for_the_log(scene: Scene, sql: Attacker) -> None:
    """PostgreSQL looks for tables among the session's temporary ones first, unless a search path says otherwise."""
    review = scene.world.review(large=True)
    with sql.refused(UNRECORDED, "without a record"), sql.together():
        sql.run("CREATE TEMPORARY TABLE audit_waiting AS SELECT %s::text AS subject, 'withdrawn'::text AS state,"
                " now() + interval '1 hour' AS at, pg_current_xact_id() AS txid", review.id)  # fmt: skip
        sql.run("UPDATE approvals_review SET state = 'withdrawn', closed_at = now() WHERE id = %s", review.id)


def test_a_temporary_table_does_not_stand_in_for_a_permit(scene: Scene) -> None:
    action = scene.world.review(large=True).action
    with Attacker(scene.database, DOOR) as sql, sql.refused(says="no permit"), sql.together():
        sql.run("CREATE TEMPORARY TABLE approvals_permit AS SELECT %s::text AS action_id, '\\x00'::bytea AS"
                " request_digest, pg_current_xact_id()::text AS consumed_txid", action.id)  # fmt: skip
        sql.insert("integrations_call", id="cal_forged", team_id=action.team_id, operation_id=action.operation_id,
                   action=action.id, effect="write", state="sending", request_digest=b"\0", key="k", attempt=1,
                   door=1, run="", trace_id="", span_id="", grant="", step="")  # fmt: skip
        sql.record("integrations:call:sending", "cal_forged", "sending")


def test_the_owners_function_runs_nothing_of_its_callers(scene: Scene, sql: Attacker) -> None:
    """audit_make_partition acts as the owner: a caller's type of the same name must not bring the caller's code in."""
    sql.run("CREATE TEMPORARY TABLE seen (who text)")
    sql.run("CREATE FUNCTION pg_temp.look(day pg_catalog.date) RETURNS boolean LANGUAGE plpgsql AS $$"
            " BEGIN INSERT INTO seen VALUES (current_user); RETURN true; END $$")  # fmt: skip
    sql.run("GRANT INSERT ON seen TO PUBLIC")
    sql.run("CREATE DOMAIN pg_temp.date AS pg_catalog.date CHECK (pg_temp.look(VALUE))")
    sql.run("SELECT audit_make_partition('2031-05-01'::pg_catalog.date)")
    assert [who for (who,) in sql.rows("SELECT who FROM seen")] == []


@pytest.mark.parametrize("how", ["SET synchronous_commit = off", "SET SESSION synchronous_commit TO 'off'"])
def test_no_change_of_state_commits_unless_it_survives_a_crash(how: str, scene: Scene, sql: Attacker) -> None:
    review = scene.world.review(large=True)
    sql.run(how)
    with sql.refused(UNRECORDED, "synchronous_commit is off"), sql.together():
        sql.run("UPDATE approvals_review SET state = 'withdrawn', closed_at = now() WHERE id = %s", review.id)
        sql.record("approvals:review:withdrawn", review.id, "withdrawn")


ILLEGAL = {
    "approvals_action": ["deferred", "executing", "succeeded", "in_doubt", "elsewhere"],
    "approvals_review": ["reopened"],
    "runs_run": ["planned"],
}


@pytest.mark.parametrize(("table", "to"), [(table, to) for table, targets in ILLEGAL.items() for to in targets])
def test_a_move_that_is_not_in_the_table_is_refused(table: str, to: str, scene: Scene, sql: Attacker) -> None:
    identity = {"approvals_action": Action.objects.filter(state="held"), "approvals_review": Review.objects.all(),
                "runs_run": Run.objects.all()}[table][0].pk  # fmt: skip
    ended = {"approvals_action": "settled_at", "approvals_review": "closed_at", "runs_run": "finished_at"}[table]
    moment = "now()" if to == "succeeded" else "NULL"
    with sql.refused("23514", "is not an allowed move|_iff_final"), sql.together():
        sql.record("x:y:z", identity, to)
        sql.run(f"UPDATE {table} SET state = %s, {ended} = {moment} WHERE id = %s", to, identity)


@pytest.mark.parametrize("to", ["held", "permitted", "executing"])
def test_what_is_settled_never_moves_again(to: str, scene: Scene, sql: Attacker) -> None:
    settled = Action.objects.get(state="succeeded")
    with sql.refused("23514", "succeeded>.* is not an allowed move"):
        sql.run("UPDATE approvals_action SET state = %s, settled_at = NULL WHERE id = %s", to, settled.id)
    assert not Record.objects.of(settled.id).filter(state=to).exists()
