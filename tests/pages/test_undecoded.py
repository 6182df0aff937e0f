"""What could not be decoded asks one more person, and the door knows that from what was attested."""

import pytest
from django.test import Client

from approvals.authority import Loaded, load
from approvals.models import Action, Review
from approvals.policies.slots import read_requirement
from approvals.prepare import prepare
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.ruling import rule
from console.accounts.models import Team, User
from console.core.errors import Tampered
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Operation
from tests.pages.conftest import DOOR, NOWHERE, Enter, add_reviewer
from tests.pages.test_importing import DOCUMENT, imported
from tests.pages.test_review_pages import text

DESCRIBED = """integration: notes
title: Notes
credential: {type: bearer}
operations:
  add_note:
    title: Add a note
    effect: write
    trust: reviewed
    method: POST
    path: /notes
    body: json
    arguments:
      text: {in: body, required: true, schema: {type: string}}
      options: {in: body, schema: {type: object}}
    idempotency: {mode: native_key, header: Idempotency-Key}
    sentence: "Note ${{ arguments.text }}"
    facts: [{label: Text, shows: text, becomes: "${{ arguments.text }}"}]
"""
ALLOWING = "policy: p\nrules:\n  - {id: a, when: {effect: [write]}, then: allow}\n  - {id: b, when: {}, then: deny}\n"
GRANTEE = "workflow:billing-care"


@pytest.fixture
def notes(office: Team) -> None:
    mira = acting("mira")
    integration = describe_integration(DESCRIBED, base_url=NOWHERE, actor=mira)
    credential = store_credential(integration, name="key", secret="x" * 20, actor=mira)
    give_grant(grantee=GRANTEE, operations=["add_note"], credential=credential, actor=mira)


def proposed(operation: str = "notes.add_note", **arguments: object) -> Loaded:
    maker = User.objects.get(username="jonas").id
    team = Team.objects.get().id
    action = propose(Proposal(team, operation, arguments, GRANTEE, [maker]), actor=DOOR)
    assert action.state == "proposed", action.outcome
    return load(action.id)


def held(**arguments: object) -> Review:
    action = prepare(proposed("notes.add_note", **arguments), actor=DOOR)
    assert action.state == "held"
    return Review.objects.get(action=action.id)


def test_one_more_is_asked_and_the_page_says_why(notes: None, enter: Enter) -> None:
    assert [str(slot) for slot in held(text="a").slots.all()] == ["1 of operations"]
    review = held(text="a", options={"to": "everybody"})
    assert [str(slot) for slot in review.slots.all()] == ["2 of operations"]
    sam: Client = enter("sam")
    page = text(sam.get(f"/reviews/{review.id}/"))
    assert "The argument options could not be decoded." in page
    assert "So one more has to sign than otherwise: 2 of operations." in page
    assert '<bdi>options</bdi> <span class="undecoded">not decoded</span>' in page
    lacks = "Of those who could sign there is 1 of operations, and 2 of operations would have to sign."
    assert lacks in page
    add_reviewer(Team.objects.get(), "max", group="operations")
    assert lacks not in text(sam.get(f"/reviews/{review.id}/"))


def test_what_is_not_kept_of_an_agents_words_is_said(notes: None) -> None:
    asked = Proposal(Team.objects.get().id, "notes.add_note", {"text": "a"}, GRANTEE, [], says="x" * 4_100)
    assert propose(asked, actor=DOOR).says == "x" * 4_000 + "\n[100 more characters were not kept]"


def test_what_the_policy_allows_goes_to_a_person(notes: None) -> None:
    publish_policy(ALLOWING, actor=acting("mira"))
    _, allowed = rule(proposed(text="a"))
    _, asked = rule(proposed(text="a", options={}))
    assert (allowed.outcome, asked.outcome, str(asked.requirement)) == ("allow", "review", "1 of admins")
    assert asked.reasons == ("The argument options could not be decoded.",)


def test_a_stored_line_taken_away_takes_away_no_signature(notes: None) -> None:
    """Rows are not authority: what is undecoded follows from the attested arguments and description."""
    review = held(text="a", options={"to": "everybody"})
    Action.objects.filter(pk=review.action_id).update(facts=[])
    _, answer = rule(load(review.action_id))
    assert str(answer.requirement) == "2 of operations"
    ruling = review.action.rulings.get()
    assert read_requirement(ruling.requirement) == answer.requirement


def test_shared_schemas_that_were_altered_decode_nothing(office: Team) -> None:
    integration, mira = imported(DOCUMENT).integration, acting("mira")
    credential = store_credential(integration, name="key", secret="x" * 20, actor=mira)
    give_grant(grantee=GRANTEE, operations=["add_parcel"], credential=credential, actor=mira)
    loaded = proposed("parcels.add_parcel", body=[{"name": "a"}])
    _, answer = rule(loaded)
    assert [one for one in answer.reasons if "decoded" in one] == []
    Operation.objects.filter(slug="add_parcel").update(definitions=None)
    with pytest.raises(Tampered, match="schemas of add_parcel were altered"):
        rule(load(loaded.action.id))
