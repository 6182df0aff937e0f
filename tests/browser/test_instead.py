"""Naming somebody to sign in one's place, and working on a review together: by hand, at both widths."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from approvals.models import Delegation
from tests.browser.conftest import Enter
from tests.browser.office import LARGE, Office

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1440, 390])
def test_somebody_is_named_and_works_on_a_review(office: Office, enter: Enter, screenshots: Path, width: int) -> None:
    run = office.begin()
    review, found = office.review(run, LARGE), {}
    window = enter(width=width).become("ana")
    page = window.page
    page.goto("/account/delegations/?give=1")
    page.get_by_label("Password").fill(office.password("ana"))
    window.leave_by(page.get_by_role("button", name="Confirm"))
    page.get_by_label("Who signs in your place").select_option("Sam Castellanos")
    page.get_by_label("Each at most").fill("500.00")
    page.get_by_label("Currency").fill("EUR")
    page.get_by_label("financial").check()
    found["delegation-form"] = window.judge("delegation-form", screenshots)
    window.leave_by(page.get_by_role("button", name="Let them sign in my place"))
    expect(page.get_by_text("each at most €500.00").first).to_be_visible()
    found["delegations"] = window.judge("delegations", screenshots)
    window.become("sam")
    page.goto(f"/reviews/{review.id}/")
    expect(page.get_by_text("You sign for Ana Ferreira")).to_be_visible()
    page.get_by_role("button", name="I am on it").press("Enter")
    expect(page.get_by_text("You are on it")).to_be_visible()
    page.get_by_label("A comment").fill("Is that the same customer as last week?")
    page.get_by_role("button", name="Comment", exact=True).press("Enter")
    expect(page.get_by_text("1 not resolved")).to_be_visible()
    page.get_by_role("button", name="Resolved", exact=True).press("Enter")
    expect(page.get_by_text("resolved by Sam Castellanos")).to_be_visible()
    page.get_by_text("Who could sign").press("Enter")
    found["review-together"] = window.judge("review-together", screenshots)
    window.become("ana")
    page.goto("/account/delegations/")
    window.leave_by(page.get_by_role("button", name="End that Sam Castellanos signs for Ana Ferreira"))
    assert not Delegation.objects.filter(state="given").exists()
    assert found == {name: [] for name in found}
