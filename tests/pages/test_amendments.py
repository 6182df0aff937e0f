"""An admin reviews what was imported, and decides on what a newer document says otherwise."""

from typing import Any

import pytest
from django.test import Client

from audit.models import Record
from console.accounts.models import Team
from console.core.errors import Conflict, Forbidden, Invalid
from examples.demo.people import acting
from integrations.amend import AT_ONCE, Wanted, decide_amendments, review_operation
from integrations.models import Amendment, Integration, Operation
from integrations.queries import genuine
from tests.pages.conftest import Enter
from tests.pages.test_importing import DOCUMENT, NODE, changed, imported

OTHER = DOCUMENT | {"components": {"schemas": {"Node": NODE | {"required": []}}}}
REMOVING = changed("/parcels", get={"operationId": "removeParcels", "summary": "Remove <b>all</b> parcels"})
KEY = {"mode": "native_key", "header": "Idempotency-Key", "evidence": "tried it"}
SAID: dict[str, Any] = {"effect": "write", "categories": ["financial"], "idempotency": KEY}


@pytest.fixture
def parcels(office: Team) -> Integration:
    return imported(DOCUMENT).integration


@pytest.fixture
def mira(parcels: Integration, enter: Enter) -> Client:
    return enter("mira")


def add() -> Operation:
    return Operation.objects.get(slug="add_parcel")


def waiting() -> list[Amendment]:
    return list(Amendment.objects.filter(state="quarantined").order_by("operation__slug"))


def wanted(*some: Amendment) -> list[Wanted]:
    return [Wanted(one.id, bytes(one.digest).hex()) for one in some]


def decide(integration: Integration, *some: Amendment, adopt: bool = True, by: str = "mira") -> list[str]:
    return decide_amendments(integration, wanted(*some), adopt=adopt, actor=acting(by))


def review(operation: Operation, said: dict[str, Any], *, seen: str = "", by: str = "mira") -> Operation:
    return review_operation(operation, said, seen=seen or bytes(operation.digest).hex(), actor=acting(by))


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def states() -> list[str]:
    return list(Amendment.objects.order_by("made_at", "pk").values_list("state", flat=True))


def test_a_review_makes_the_operation_what_the_person_says(parcels: Integration) -> None:
    before = add()
    after = review(before, SAID)
    assert (after.effect, after.categories, after.trust, after.idempotency) == (
        "write", ["financial"], "reviewed", "native_key")  # fmt: skip
    assert genuine(add())
    assert {**before.description, **SAID, "trust": "reviewed"} == add().description
    amendment = Amendment.objects.get()
    assert (amendment.state, amendment.cause, amendment.settled_by) == ("adopted", "review", acting("mira").id)
    assert (amendment.before, amendment.after) == (before.description, after.description)
    assert Record.objects.filter(subject=amendment.id, kind="integrations:amendment:adopted").count() == 1


def test_the_same_review_again_changes_nothing(parcels: Integration) -> None:
    review(add(), SAID)
    review(add(), SAID)
    assert states() == ["adopted"]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"effect": "write", "sentence": "To ${{ arguments.nobody }}"}, "no argument 'nobody'"),
        ({"effect": "write", "facts": [{"label": "x", "shows": "nobody", "becomes": 1}]}, "no argument 'nobody'"),
        ({"effect": "write", "sentence": "To ${{ [ }}"}, "not an expression"),
        ({"effect": "write", "idempotency": {"mode": "native_key"}}, "carries the key"),
        ({"effect": "write", "idempotency": {"mode": "native_key", "header": "Authorization"}}, "could carry the key"),
        ({"effect": "write", "probe": {"operation": "add_parcel", "happened": "@"}}, "not an operation of effect read"),
    ],
)
def test_what_does_not_fit_the_operation_is_refused_with_a_place(
    parcels: Integration, said: dict[str, Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        review(add(), said)
    assert (add().trust, states()) == ("imported", [])


def test_how_long_the_other_side_keeps_our_key_is_said_in_the_form_and_shown(mira: Client) -> None:
    operation = add()
    given = {"effect": "write", "categories": "financial", "mode": "native_key", "header": "Idempotency-Key",
             "retention": "86400", "seen": bytes(operation.digest).hex()}  # fmt: skip
    address = f"/integrations/operation/{operation.id}/"
    assert mira.post(address, {**given, "retention": "a day"}).status_code == 422
    assert mira.post(address, {**given, "retention": "5"}).status_code == 422
    assert mira.post(address, {**given, "mode": "set_semantics", "header": ""}).status_code == 422
    assert mira.post(address, given).status_code == 302
    assert add().description["idempotency"]["retention"] == 86_400
    assert "a repeat does nothing new, for 1 day" in text(mira.get("/integrations/parcels/"))
    assert 'value="86400"' in text(mira.get(address))


def test_a_post_that_only_looks_may_be_called_a_read_by_a_person(parcels: Integration) -> None:
    assert review(add(), {"effect": "read"}).effect == "read"


def test_a_review_of_what_is_described_otherwise_by_now_is_refused(parcels: Integration) -> None:
    old = bytes(add().digest).hex()
    review(add(), SAID)
    with pytest.raises(Conflict, match="otherwise meanwhile"):
        review(add(), {"effect": "read"}, seen=old)
    imported(OTHER)
    with pytest.raises(Conflict, match="Decide on that first"):
        review(add(), {"effect": "read"})


@pytest.mark.parametrize("who", ["ana", "theo"])
def test_only_admins_review_and_decide(who: str, parcels: Integration) -> None:
    with pytest.raises(Forbidden):
        review(add(), SAID, by=who)
    imported(OTHER)
    with pytest.raises(Forbidden):
        decide(parcels, *waiting(), by=who)
    assert states() == ["quarantined"]


def test_adopting_keeps_what_people_said(parcels: Integration) -> None:
    review(add(), SAID)
    imported(OTHER)
    assert decide(parcels, *waiting()) == ["add_parcel"]
    after = add()
    assert (after.trust, after.categories, after.idempotency) == ("reviewed", ["financial"], "native_key")
    assert after.definitions is not None
    assert "required" not in after.definitions.content["Node"]
    assert genuine(after)
    assert imported(OTHER).changed == []


def test_what_was_said_has_to_fit_the_newer_document(parcels: Integration) -> None:
    review(add(), {"effect": "write", "sentence": "Adds ${{ arguments.body }}"})
    imported(changed("/parcels", post={"operationId": "addParcel"}))
    with pytest.raises(Invalid, match="no argument 'body'"):
        decide(parcels, *[one for one in waiting() if one.operation.slug == "add_parcel"])
    assert "quarantined" in states()


def test_a_declined_change_is_not_asked_again_but_a_further_one_is(parcels: Integration) -> None:
    imported(OTHER)
    before = add().description
    decide(parcels, *waiting(), adopt=False)
    assert add().description == before
    assert imported(OTHER).changed == []
    further = DOCUMENT | {"components": {"schemas": {"Node": NODE | {"required": ["inner"]}}}}
    assert imported(further).changed == ["add_parcel"]


def test_the_same_document_again_quarantines_once_and_one_that_takes_it_back_releases(parcels: Integration) -> None:
    imported(OTHER)
    assert imported(OTHER).changed == []
    assert states() == ["quarantined"]
    imported(DOCUMENT)
    assert states() == ["superseded"]
    assert imported(OTHER).changed == ["add_parcel"]


def test_all_that_are_chosen_are_decided_or_none(parcels: Integration) -> None:
    both = DOCUMENT["paths"]["/parcels"] | REMOVING["paths"]["/parcels"]
    imported(OTHER | {"paths": {"/parcels": both}})
    one, other = waiting()
    with pytest.raises(Conflict, match="not what you were shown"):
        decide_amendments(parcels, [*wanted(one), Wanted(other.id, "00" * 32)], adopt=True, actor=acting("mira"))
    assert states() == ["quarantined"] * 2
    assert decide(parcels, one, other) == ["add_parcel", "list_parcels"]
    with pytest.raises(Conflict, match="no longer waits"):
        decide(parcels, one)
    for some in ([], [Wanted(f"amd_{n}", "") for n in range(AT_ONCE + 1)]):
        with pytest.raises(Invalid, match="Choose one to"):
            decide_amendments(parcels, some, adopt=True, actor=acting("mira"))


def test_amendments_of_another_integration_are_not_decided_here(parcels: Integration) -> None:
    imported(OTHER)
    with pytest.raises(Conflict):
        decide(Integration.objects.get(slug="stripe"), *waiting())


def test_the_page_shows_what_changes_and_decides(mira: Client, parcels: Integration) -> None:
    imported(REMOVING)
    assert "2 operations changed" not in text(mira.get("/integrations/parcels/"))
    assert "1 operation changed in a newer document" in text(mira.get("/integrations/parcels/"))
    page = text(mira.get("/integrations/parcels/changes/"))
    assert "Remove &lt;b&gt;all&lt;/b&gt; parcels" in page
    (row,) = waiting()
    chosen = {"amendment": f"{row.id}:{bytes(row.digest).hex()}", "adopt": ""}
    stale = mira.post("/integrations/parcels/changes/decide/", chosen | {"amendment": f"{row.id}:00"})
    assert (stale.status_code, "not what you were shown" in text(stale)) == (409, True)
    both = mira.post("/integrations/parcels/changes/decide/", chosen | {"decline": ""})
    assert both.status_code == 422
    answer = mira.post("/integrations/parcels/changes/decide/", chosen, follow=True)
    assert "list_parcels: described anew." in text(answer)
    assert (states(), Operation.objects.get(slug="list_parcels").effect) == (["adopted"], "destructive")


def test_the_form_of_a_review_begins_with_what_is_in_force_and_keeps_what_was_typed(mira: Client) -> None:
    address = f"/integrations/operation/{add().id}/"
    page = text(mira.get(address))
    assert "POST <bdi>/parcels</bdi>" in page
    given = {"seen": bytes(add().digest).hex(), "effect": "write", "categories": ["legal"], "mode": "none",
             "more": "sentence: [broken"}  # fmt: skip
    wrong = mira.post(address, given)
    assert (wrong.status_code, "sentence: [broken" in text(wrong)) == (422, True)
    assert 'value="legal" checked' in text(wrong)
    right = mira.post(
        address, given | {"more": "sentence: Adds one\nsuccess: {status: [201]}\nignores: [Parcels-Version]"}
    )
    assert right.status_code == 302
    assert add().description["sentence"] == "Adds one"
    assert add().description["success"] == {"status": [201]}
    assert "sentence: Adds one success: status: - 201 ignores: - Parcels-Version" in text(mira.get(address))
    assert "What a program says in the header Parcels-Version" in text(mira.get("/integrations/parcels/"))
    assert mira.post(address, given | {"more": ""}).status_code == 409


def test_what_waits_voids_a_review_of_the_form(mira: Client) -> None:
    imported(OTHER)
    assert "Decide on that first" in text(mira.get(f"/integrations/operation/{add().id}/"))
