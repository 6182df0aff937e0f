"""The database's guards are those of the code, on every table that needs them, and switched on."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db.models import Model

from console.core.states import trigger_arguments
from tests.architecture.test_layers import OURS
from tests.services import TEMPLATE, services

TRIGGERS = {"guarded_insert", "guarded_update"}


def models() -> Iterator[type[Model]]:
    for label in OURS:
        yield from apps.get_app_config(label).get_models()


GUARDED = {model._meta.db_table: model for model in models() if hasattr(model, "TRANSITIONS")}


@pytest.fixture(scope="module")
def catalogue() -> Iterator[list[dict[str, object]]]:
    """Every trigger that is ours, as the migrated database has it."""
    query = """
        SELECT tgrelid::regclass::text AS table, tgname AS name, tgenabled AS enabled,
               tgfoid::regproc::text AS function,
               tgdeferrable AND tginitdeferred AS deferred, encode(tgargs, 'escape') AS arguments,
               pg_get_triggerdef(oid) AS definition
        FROM pg_trigger WHERE NOT tgisinternal"""
    # A copy, because a template that somebody is connected to cannot be copied by others.
    name = services().clone(TEMPLATE)
    with services().superuser(name) as connection:
        cursor = connection.execute(query)
        columns = [column.name for column in cursor.description or ()]
        yield [dict(zip(columns, row, strict=True)) for row in cursor]
    services().drop(name)


def arguments(trigger: dict[str, object]) -> list[str]:
    return [part for part in str(trigger["arguments"]).split("\\000") if part]


def test_there_are_guarded_tables() -> None:
    assert GUARDED.keys() >= {"approvals_action", "approvals_review", "integrations_call", "runs_run", "runs_step"}


@pytest.mark.parametrize("table", GUARDED)
def test_the_triggers_table_of_moves_is_the_codes(table: str, catalogue: list[dict[str, object]]) -> None:
    expected = trigger_arguments(GUARDED[table].TRANSITIONS)
    found = {
        str(t["name"]): arguments(t) for t in catalogue if t["table"] == table and t["function"] == "audit_guard_change"
    }
    assert found == dict.fromkeys(TRIGGERS, expected)


@pytest.mark.parametrize("table", GUARDED)
def test_both_guards_are_there_switched_on_and_asked_at_the_end(table: str, catalogue: list[dict[str, object]]) -> None:
    found = {str(t["name"]): t for t in catalogue if t["table"] == table and t["name"] in TRIGGERS}
    assert {name: (one["enabled"], one["deferred"]) for name, one in found.items()} == dict.fromkeys(
        TRIGGERS, ("O", True)
    )
    assert "AFTER UPDATE OF state ON" in str(found["guarded_update"]["definition"])
    assert all("WHEN" not in str(one["definition"]) for one in found.values())


def test_every_trigger_is_switched_on(catalogue: list[dict[str, object]]) -> None:
    assert [(t["table"], t["name"]) for t in catalogue if t["enabled"] != "O"] == []


def test_a_table_with_a_state_is_guarded() -> None:
    """A record repeats the state it tells of."""
    with_state = {
        model._meta.db_table for model in models() if any(field.name == "state" for field in model._meta.fields)
    }
    assert with_state - GUARDED.keys() == {"audit_log"}


FROZEN = {
    "approvals_comment", "approvals_commentresolution", "approvals_decision", "approvals_policyversion",
    "approvals_revision", "approvals_ruling", "approvals_slot", "approvals_slotgroup", "accounts_proofing",
    "approvals_votemeasure", "workflows_workflowversion", "audit_record", "audit_waiting", "home_restoresignature",
    "integrations_definitions",
}  # fmt: skip


def test_what_was_said_once_is_append_only(catalogue: list[dict[str, object]]) -> None:
    refusing = {t["table"] for t in catalogue if t["name"] == "append_only" and t["function"] == "audit_refuse_change"}
    assert refusing >= FROZEN
    emptied = {t["table"] for t in catalogue if t["name"] == "append_only_all"}
    assert emptied >= {"audit_record", "audit_record_default", "audit_waiting", "approvals_decision"}


def test_functions_that_set_a_search_path_put_temporary_things_last() -> None:
    """Otherwise a caller's temporary table or type stands in for ours; see tests/spine/test_guards.py."""
    name = services().clone(TEMPLATE)
    with services().superuser(name) as connection:
        found = connection.execute(
            "SELECT proname, prosecdef, coalesce((SELECT s FROM unnest(proconfig) s WHERE s LIKE 'search_path=%'), '')"
            " FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND prolang ="
            " (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')"
        ).fetchall()
    services().drop(name)
    reads_tables = {
        "audit_guard_change",
        "audit_guard_taken",
        "approvals_refuse_second_vote",
        "approvals_require_permit",
        "audit_make_partition",
        "audit_erase",
    }
    reads_tables |= {"audit_note_schema", "audit_drop_month"}
    assert {function for function, _, _ in found} >= reads_tables
    assert {function for function, definer, _ in found if definer} == {
        "audit_make_partition",
        "audit_erase",
        "audit_note_schema",
    }
    wanted = "search_path=pg_catalog, public, pg_temp"
    assert {function for function, _, path in found if function in reads_tables and path != wanted} == set()


@pytest.mark.parametrize("role", ["countersign_app", "countersign_door", "countersign_sequencer"])
def test_no_role_of_the_product_owns_or_rules(role: str) -> None:
    with services().superuser(TEMPLATE_COPY := services().clone(TEMPLATE)) as connection:
        flags = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication,"
            " pg_has_role(rolname, 'countersign_owner', 'MEMBER') FROM pg_roles WHERE rolname = %s",
            [role],
        ).fetchone()
        owned = connection.execute("SELECT relname FROM pg_class WHERE relowner = %s::regrole", [role]).fetchall()
        emptied = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND has_table_privilege(%s, oid, 'TRUNCATE, TRIGGER, REFERENCES, MAINTAIN')",
            [role],
        ).fetchall()
    services().drop(TEMPLATE_COPY)
    assert (flags, owned, emptied) == ((False,) * 6, [], [])


# Why a table of ours has no team of its own.
WITHOUT_TEAM = {
    "accounts_user": "a person may be in several teams",
    "accounts_team": "it is the team",
    "accounts_passkey": "a person's",
    "accounts_identity": "a person's",
    "accounts_setuplink": "there is no team yet",
    "audit_waiting": "is a record",
    "audit_disclosure": "belongs to a record",
    "audit_tree": "of the installation",
    "audit_leaf": "names a record",
    "audit_tile": "belongs to a tree",
    "audit_checkpoint": "belongs to a tree",
    "audit_cosignature": "belongs to a checkpoint",
    "audit_receipt": "belongs to a checkpoint",
    "audit_logkey": "belongs to a tree",
    "audit_outlet": "of the installation",
    "integrations_definitions": "belongs to an integration",
    "integrations_operation": "belongs to an integration",
    "integrations_amendment": "belongs to an operation",
    "integrations_listing": "belongs to an integration",
    "integrations_credential": "belongs to an integration",
    "integrations_accesstoken": "belongs to a credential",
    "integrations_authorization": "belongs to a credential",
    "integrations_healthtest": "belongs to a credential",
    "integrations_opening": "belongs to a credential",
    "integrations_webhook": "belongs to an integration",
    "integrations_webhooksecret": "belongs to a webhook",
    "integrations_delivery": "belongs to a webhook",
    "approvals_claim": "belongs to a review",
    "approvals_comment": "belongs to a review",
    "approvals_commentresolution": "belongs to a comment",
    "approvals_policyversion": "belongs to a policy",
    "approvals_ruling": "belongs to an action",
    "approvals_slot": "belongs to a review",
    "approvals_slotgroup": "belongs to a review",
    "approvals_decision": "belongs to a review",
    "approvals_revision": "belongs to an action",
    "approvals_look": "belongs to a review",
    "approvals_votemeasure": "belongs to a decision",
    "approvals_permit": "belongs to an action",
    "notices_preference": "a person's",
    "notices_address": "a person's",
    "workflows_workflowversion": "belongs to a workflow",
    "agents_agenttoken": "belongs to an agent",
    "agents_grantproposal": "belongs to an agent",
    "shadow_observation": "belongs to an agent",
    "runs_step": "belongs to a run",
    "runs_attempt": "belongs to a step",
    "dispatch_wait": "belongs to a step",
    "dispatch_wake": "of processes, deleted at once",
    "home_heartbeat": "of processes",
    "home_restoresignature": "of the installation",
}


def test_what_people_share_belongs_to_a_team() -> None:
    without = {
        model._meta.db_table for model in models() if not any(field.name == "team" for field in model._meta.fields)
    }
    assert without == WITHOUT_TEAM.keys()


def test_what_belongs_to_something_else_leads_to_a_team_that_must_be_there() -> None:
    """By keys that cannot be empty."""
    for model in models():
        if "belongs to" in WITHOUT_TEAM.get(model._meta.db_table, "") and not model._meta.db_table.startswith("audit_"):
            assert _leads_to_team(model), model


def _leads_to_team(model: type[Model] | None) -> bool:
    if model is None:
        return False
    keys = [field for field in model._meta.fields if (field.many_to_one or field.one_to_one) and not field.null]
    return any(
        field.name == "team" or (field.related_model is not model and _leads_to_team(field.related_model))
        for field in keys
    )
