"""What an import stores: operations that can be called, bound to what the admin said, and nothing else."""

import json
from typing import Any

import pytest

from approvals.propose import Proposal, propose
from audit.models import Record
from console.accounts.models import Team
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from examples.demo.people import acting
from integrations import described
from integrations.describe import give_grant, store_credential
from integrations.described import complete
from integrations.importing import Outcome, import_openapi
from integrations.models import Definitions, Integration, Operation
from integrations.queries import genuine
from tests.factories import a_grantee
from tests.pages.conftest import NOWHERE

NODE = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "inner": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
    },
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3", "info": {"title": "Parcels ${{ here", "version": "1"},
    "servers": [{"url": "https://elsewhere.example"}],
    "paths": {
        "/parcels": {
            "get": {"operationId": "listParcels", "summary": "List \ud800 parcels\0"},
            "post": {"operationId": "addParcel", "summary": "Add ${{ unfinished", "requestBody": {"content": {
                "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}}}},
        },
        "/parcels/{id": {"get": {"operationId": "broken"}},
    },
    "components": {"schemas": {"Node": NODE}},
}  # fmt: skip


def imported(document: dict[str, Any], by: str = "mira", **other: Any) -> Outcome:
    given: dict[str, Any] = {
        "slug": "parcels",
        "title": "Parcels",
        "base_url": NOWHERE,
        "credential_type": "bearer",
    } | other
    return import_openapi(json.dumps(document).encode(), actor=acting(by), **given)


def changed(path: str, **other: Any) -> dict[str, Any]:
    return DOCUMENT | {"paths": DOCUMENT["paths"] | {path: other}}


def test_operations_are_stored_with_what_they_are_and_what_was_left_out_is_said(office: Team) -> None:
    outcome = imported(DOCUMENT)
    assert (outcome.added, outcome.changed) == (["list_parcels", "add_parcel"], [])
    assert [(one.place, one.code) for one in outcome.report.left_out] == [("GET /parcels/{id", "path")]
    look, add = outcome.integration.operations.order_by("-slug")
    assert (look.title, look.effect, look.trust, look.definitions) == ("List \ufffd parcels", "read", "imported", None)
    assert (add.title, add.effect, add.idempotency) == ("Add ${{ unfinished", "write", "unknown")
    assert genuine(look)
    assert genuine(add)
    assert outcome.integration.base_url == NOWHERE
    told = json.loads(bytes(Record.objects.get(kind="integrations:integration:imported").leaf))["detail"]
    assert (told["operations"], told["changed"], told["left_out"]) == (2, 0, 1)


def test_schemas_in_common_are_kept_once_and_checked_to_any_depth(office: Team) -> None:
    add = imported(DOCUMENT).integration.operations.get(slug="add_parcel")
    assert Definitions.objects.get().content.keys() == {"Node"}
    complete(add).check_arguments({"body": [{"name": "a", "inner": [{"name": "b"}]}]})
    with pytest.raises(Invalid, match="'name' is a required property"):
        complete(add).check_arguments({"body": [{"name": "a", "inner": [{}]}]})


def test_other_schemas_than_those_of_the_description_are_refused(office: Team) -> None:
    outcome = imported(DOCUMENT)
    other = Definitions.objects.create(integration=outcome.integration, content={"Node": True})
    empty = Definitions.objects.create(integration=outcome.integration, content={})
    add = outcome.integration.operations.get(slug="add_parcel")
    for held in (other, empty, None):
        Operation.objects.filter(pk=add.pk).update(definitions=held)
        add.refresh_from_db()
        with pytest.raises(Tampered, match="schemas of add_parcel"):
            complete(add)


def test_an_action_with_other_schemas_ends_with_an_alarm(office: Team) -> None:
    outcome = imported(DOCUMENT)
    key = store_credential(outcome.integration, name="key", secret="x", actor=acting("mira"))
    grantee = a_grantee("agent:a", acting("mira"))
    give_grant(grantee=grantee, operations=["add_parcel"], credential=key, actor=acting("mira"))
    proposal = Proposal(team=office.id, operation="parcels.add_parcel", arguments={"body": [{}]}, grantee="agent:a",
                        makers=[])  # fmt: skip
    honest = propose(proposal, actor=acting("mira"))
    assert (honest.state, (honest.outcome or {})["code"]) == ("refused", "invalid_arguments")
    lax = Definitions.objects.create(integration=outcome.integration, content={"Node": True})
    Operation.objects.filter(slug="add_parcel").update(definitions=lax)
    stopped = propose(proposal, actor=acting("mira"))
    assert (stopped.state, (stopped.outcome or {})["code"]) == ("refused", "tampered")
    told = Record.objects.get(subject=stopped.id, kind="console:alarm:tampered")
    assert b"The schemas of add_parcel were altered." in bytes(told.leaf)


def test_the_same_again_changes_nothing_and_what_is_new_is_added_under_names_that_stay(office: Team) -> None:
    imported(DOCUMENT)
    before = list(Operation.objects.values())
    again = imported(DOCUMENT)
    assert (again.added, again.changed, again.gone) == ([], [], [])
    more = changed("/boxes", get={"operationId": "listParcels"})
    outcome = imported(more)
    assert len(outcome.added) == 1
    assert outcome.added[0].startswith("list_parcels_")
    assert list(Operation.objects.filter(pk__in=[row["id"] for row in before]).values()) == before
    assert imported(DOCUMENT | {"paths": {"/x": {"get": {}}}}).gone == ["add_parcel", "list_parcels", outcome.added[0]]


def test_what_is_described_otherwise_stays_as_it_was_and_is_told(office: Team) -> None:
    imported(DOCUMENT)
    before = list(Operation.objects.values())
    other = DOCUMENT | {"components": {"schemas": {"Node": NODE | {"required": []}}}}
    assert imported(other).changed == ["add_parcel"]  # what its schemas reach has changed
    assert imported(changed("/parcels", get={"operationId": "removeParcels"})).changed == ["list_parcels"]
    assert list(Operation.objects.values()) == before


def test_an_import_moves_no_integration_to_another_address(office: Team) -> None:
    imported(DOCUMENT)
    for other in ({"base_url": "https://elsewhere.example"}, {"credential_type": "none"}):
        with pytest.raises(Conflict, match="does not change that"):
            imported(DOCUMENT, **other)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"slug": "No Slug"}, "short name"),
        ({"title": " "}, "a title"),
        ({"credential_type": "magic"}, "no type of credential"),
        ({"base_url": "ftp://x"}, "base URL"),
    ],
)
def test_what_the_admin_says_is_checked(office: Team, other: dict[str, str], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        imported(DOCUMENT, **other)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"swagger": "2.0"}, "Swagger 2.0"),
        ({"openapi": "4"}, "not OpenAPI"),
        ({"openapi": "3.1.0", "paths": {}}, "Not one operation"),
    ],
)
def test_a_document_of_which_nothing_can_be_called_stores_nothing(
    office: Team, document: dict[str, Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        imported(document)
    assert not Integration.objects.filter(slug="parcels").exists()


def test_only_admins_import(office: Team) -> None:
    with pytest.raises(Forbidden):
        imported(DOCUMENT, by="theo")


def test_schemas_are_read_once(office: Team, django_assert_num_queries: Any) -> None:
    add = imported(DOCUMENT).integration.operations.get(slug="add_parcel")
    described._held.cache_clear()
    with django_assert_num_queries(1):
        complete(add)
        complete(add)
