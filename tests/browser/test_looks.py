"""What a policy wants opened and stated before, done in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from approvals.digests import read_payload
from approvals.models import Decision, PolicyVersion, VoteMeasure
from approvals.publish import publish_policy
from examples.demo.people import acting
from tests.browser.conftest import Enter
from tests.browser.office import LARGE, Office
from tests.browser.window import AXE, RULES

pytestmark = pytest.mark.browser

ASKED = "signature: passkey, evidence: [First charge], states: [amount], expires_minutes: 240}"


@pytest.fixture
def asking(office: Office) -> Iterator[None]:
    before = PolicyVersion.objects.latest("number").source
    publish_policy(before.replace("signature: passkey, expires_minutes: 240}", ASKED), actor=acting("mira"))
    yield
    publish_policy(before, actor=acting("mira"))


@pytest.mark.usefixtures("asking")
def test_approving_becomes_possible_piece_by_piece(office: Office, enter: Enter) -> None:
    review = office.review(office.begin(), LARGE)
    ana = enter("ana")
    ana.add_passkey(office.password("ana"))
    ana.go(review)
    before = ana.page.locator("#before")
    expect(ana.bar).to_contain_text("Before you approve")
    before.get_by_role("button", name="Open “First charge”").click()
    expect(before.get_by_text("done")).to_be_visible()
    expect(ana.page.locator("#evidence")).to_contain_text("First charge")
    before.get_by_label("State the amount").fill("4800 EUR")
    before.get_by_role("button", name="State it").click()
    expect(before.get_by_role("alert")).to_contain_text("That is not what was decoded.")
    ana.page.evaluate(AXE)
    assert ana.flaws(RULES) == []
    before.get_by_label("State the amount").fill("480.00 EUR")
    before.get_by_role("button", name="State it").click()
    expect(ana.bar.get_by_role("button", name="Hold to sign")).to_be_visible()
    ana.page.get_by_text("The call as it will be sent").click()
    ana.hold_to_sign()
    expect(ana.page.locator("#did")).to_contain_text("Approved")
    decision = Decision.objects.get(review=review)
    assert read_payload(bytes(decision.payload))["seen"] == {"evidence": ["First charge"], "states": ["amount"]}
    measure = VoteMeasure.objects.get(decision=decision)
    assert (measure.missed, measure.unfolded, measure.dwell_ms is not None) == (1, ["call"], True)
