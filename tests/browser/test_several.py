"""Several of one kind, decided with one passkey: by hand, at both widths."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from playwright.sync_api import expect

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.withdraw import withdraw_action
from console.accounts.models import Team
from console.core.actor import system
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Integration
from tests.browser.conftest import Enter
from tests.browser.office import Office
from tests.spine.test_bulk import DESK, GRANTEE
from tests.stack import wait_until

pytestmark = pytest.mark.browser
TEXTS = (
    "Asked for an invoice in Polish",
    "Prefers to be called in the morning " * 6,
    "<b>VIP</b>, see http://example.com/",
)


@pytest.fixture
def notes(office: Office) -> Iterator[list[str]]:
    """Three of a kind that wait for whoever looks after operations."""
    mira, team = acting("mira"), Team.objects.get().id
    if not Integration.objects.filter(slug="desk").exists():
        integration = describe_integration(DESK, base_url=f"{office.standin}/v1", actor=mira)
        credential = store_credential(integration, name="desk", secret="sk_test_desk", actor=mira)
        give_grant(grantee=GRANTEE, operations=["note_customer"], credential=credential, actor=mira)
    asked = []
    for text in TEXTS:
        arguments = {"customer": office.seeded.customers["zoe"], "description": text}
        asked.append(propose(Proposal(team, "desk.note_customer", arguments, GRANTEE, [acting("jonas").id],
                                      says="It helps whoever answers."), actor=system("web")).id)  # fmt: skip
    reviews = Review.objects.filter(action__in=asked, state="open")
    wait_until(lambda: reviews.count() == len(TEXTS), "three notes wait")
    yield asked
    for action in Action.objects.filter(pk__in=asked, state="held"):
        with transaction.atomic():
            withdraw_action(action.pk, actor=system("web"))


@pytest.mark.parametrize("width", [1440, 390])
def test_those_of_a_kind_are_signed_together(
    office: Office, notes: list[str], enter: Enter, screenshots: Path, width: int
) -> None:
    window = enter("sam", width=width).add_passkey(office.password("sam"))
    page = window.go(Review.objects.get(action=notes[0]))
    page.get_by_role("link", name="Others of this kind wait for you").press("Enter")
    expect(page.get_by_role("heading", name="Decide together")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(3)
    assert page.locator("#main b", has_text="VIP").count() == 0
    found = window.judge("review-several", screenshots)
    left_out = page.locator("li", has_text="Polish").get_by_role("checkbox")
    left_out.uncheck()
    window.hold_to_sign()
    expect(page.get_by_text("You approved 2 with one signature.")).to_be_visible()
    done = Action.objects.filter(pk__in=notes, state="succeeded")
    wait_until(lambda: done.count() == 2, "two were noted")
    assert Review.objects.filter(action__in=notes, state="open").count() == 1
    assert found == []
