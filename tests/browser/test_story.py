"""The whole story, through the eyes of each: it is started, waits, is signed, happens once, and is proven."""

import re

import pytest
from playwright.sync_api import Page, expect

from console.runs.models import Run
from tests.audit.conftest import SignedLog
from tests.browser.conftest import Enter
from tests.browser.office import LARGE, SMALL, Office
from tests.services import ORIGIN
from tests.stack import wait_until

pytestmark = pytest.mark.browser


def start_billing_care(page: Page) -> str:
    """From the list of workflows, as an operator would. Gives the run's id."""
    page.goto("/workflows/")
    page.get_by_role("link", name="Refund customers who were charged twice").click()
    page.get_by_role("link", name="Start a run").click()
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"/runs/run_[^/]+/$"))
    return page.url.rstrip("/").rpartition("/")[2]


def test_a_run_waits_is_signed_happens_once_and_is_proven(office: Office, enter: Enter, signed: SignedLog) -> None:
    jonas = enter("jonas", polls=False)
    run = start_billing_care(jonas.page)
    picture = jonas.page.locator("#picture")
    waiting = picture.locator(".span[data-surface=human]").filter(has=jonas.page.locator("rect.open"))
    expect(waiting).to_have_count(2)
    jonas.evaluate("window.untouched = true")

    ana = enter()
    ana.sign_in("ana", office.password("ana"))
    expect(ana.page).to_have_url(re.compile("/reviews/"))
    ana.add_passkey(office.password("ana"))
    ana.page.goto("/reviews/")
    ana.page.locator(".item").filter(has_text="480.00").click()
    expect(ana.page.get_by_role("heading", level=1)).to_contain_text("Refund €480.00 to Zoë Lindqvist")
    assert office.refunds() == []
    ana.hold_to_sign()
    expect(ana.page.locator("#did")).to_contain_text("Approved: Refund €480.00")

    expect(waiting).to_have_count(1)
    wait_until(lambda: office.refunds() == [LARGE], "one refund is at the provider")
    expect(picture).to_contain_text("approved by Ana Ferreira")

    expect(ana.page.get_by_role("heading", level=1)).to_contain_text("Refund €42.00 to Oluwaseun Adeyemi")
    expect(
        ana.bar.get_by_text("A password shows that it is you, but nobody outside can check it later.")
    ).to_have_count(1)
    ana.sign_by_password(office.password("ana"))
    expect(ana.page.get_by_role("heading", name="All done")).to_be_visible()

    expect(waiting).to_have_count(0)
    expect(picture.locator(".tags").first).to_contain_text("succeeded")
    assert jonas.evaluate("window.untouched") is True  # the page was never loaded anew
    wait_until(lambda: Run.objects.get(pk=run).state == "succeeded", "the run ends")
    assert (office.refunds("large"), office.refunds("small")) == ([LARGE], [SMALL])

    ana.go(office.review(run, SMALL))
    expect(ana.page.get_by_text("password, weaker")).to_be_visible()
    ana.go(office.review(run, LARGE))
    expect(ana.page.get_by_text("Approved and done.")).to_be_visible()
    prove_what_happened(enter("theo").page, run, signed)


def prove_what_happened(page: Page, run: str, signed: SignedLog) -> None:
    expect(page).to_have_url(f"{ORIGIN}/audit/")
    # Of the actions, one is the list of charges.
    for kind, times in (("approvals:action:succeeded", 3), ("approvals:decision:made", 2)):
        page.get_by_label("Kind begins with").fill(kind)
        page.get_by_label("Run", exact=True).fill(run)
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("table.records tbody tr")).to_have_count(times)
    page.locator("table.records tbody a").first.click()
    expect(page.get_by_text("This record waits for its place in the tree.")).to_be_visible()
    signed.sequence()
    expect(page.get_by_text("Verified in this browser.")).to_be_visible()
