"""Decisions that are not the plain story: refused, too late, without scripts, for another group, by keys alone."""

import re

import pytest
from playwright.sync_api import Route, expect

from approvals.models import Decision, Review
from console.runs.models import Run
from tests.browser.conftest import Enter
from tests.browser.office import LARGE, SMALL, Office
from tests.browser.window import HOLD, Window
from tests.stack import wait_until

pytestmark = pytest.mark.browser

REASON = "The customer has withdrawn the complaint."
TYPED = "I would rather ask the customer first."


def test_refusal_stops_the_money_and_its_reason_reaches_the_run(office: Office, enter: Enter) -> None:
    run = office.begin()
    jonas, ana = enter("jonas", polls=False), enter("ana")
    jonas.page.goto(f"/runs/{run.id}/")
    ana.go(office.review(run, LARGE))
    ana.refuse(REASON)
    expect(ana.page.locator("#did")).to_contain_text("Refused: Refund €480.00")
    jonas.page.get_by_role("link", name="first failure").click()
    expect(jonas.page.locator("#inspect")).to_contain_text(REASON)
    ana.sign_by_password(office.password("ana"))
    expect(jonas.page.locator("#picture .notice")).to_contain_text(REASON)
    assert (Run.objects.get(pk=run.id).state, office.refunds("large"), office.refunds("small")) == (
        "failed",
        [],
        [SMALL],
    )


def open_for_refusal(window: Window, review: Review) -> None:
    window.go(review)
    window.bar.locator("summary").filter(has_text="Refuse").click()
    window.bar.get_by_label("Why do you refuse?").fill(TYPED)


def test_decision_of_a_colleague_shows_at_once_and_keeps_what_was_typed(office: Office, enter: Enter) -> None:
    review = office.review(office.begin(), LARGE)
    ana, bea = enter("ana"), enter("bea", password="correct horse battery")
    open_for_refusal(ana, review)
    bea.go(review)
    bea.refuse(REASON)
    expect(bea.page.locator("#did")).to_contain_text("Refused")
    expect(ana.bar).to_contain_text("Bea Okonkwo refused this")
    expect(ana.bar.get_by_text(TYPED)).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_late_decision_is_told_and_keeps_what_was_typed(office: Office, enter: Enter, scripts: bool) -> None:
    """Her page has heard nothing of it: no websocket, or no scripts at all."""
    review = office.review(office.begin(), LARGE)
    ana, bea = enter("ana", scripts=scripts), enter("bea", password="correct horse battery")
    if scripts:
        ana.page.route_web_socket(re.compile("/live/"), lambda _: None)
    open_for_refusal(ana, review)
    bea.go(review)
    bea.refuse(REASON)
    expect(bea.page.locator("#did")).to_contain_text("Refused")
    ana.bar.get_by_role("button", name="Refuse", exact=True).click()
    expect(ana.bar).to_contain_text("already refused")
    expect(ana.bar.get_by_text(TYPED)).to_be_visible()
    assert list(Decision.objects.filter(review=review).values_list("reviewer__username", "reason")) == [("bea", REASON)]


def test_password_signs_without_scripts(office: Office, enter: Enter) -> None:
    run = office.begin()
    ana = enter("ana", scripts=False)
    ana.page.get_by_role("link", name=re.compile("Refund €42.00")).click()
    ana.sign_by_password("not the password")
    expect(ana.bar).to_contain_text("The password is not right.")
    ana.bar.get_by_label("Your password").fill(office.password("ana"))
    ana.bar.get_by_role("button", name="Approve with your password").click()
    expect(ana.page.get_by_text("Your decision is signed and kept.")).to_be_visible()
    wait_until(lambda: office.refunds("small") == [SMALL], "one refund is at the provider")
    assert Decision.objects.get(review__action__run=run.id).level == "password"


def test_contract_ends_once_by_a_signature_of_the_legal_group(office: Office, enter: Enter) -> None:
    jonas, sam = enter("jonas"), enter("sam")
    jonas.page.goto("/runs/new/cancel-subscription/")
    jonas.page.get_by_label("Subscription").fill(office.seeded.subscriptions["studio"])
    jonas.page.get_by_label("Reason").fill("moved away")
    jonas.page.get_by_role("button", name="Start the run").click()
    sam.add_passkey(office.password("sam"))
    review = waiting_for(sam)
    assert office.subscription("studio")["status"] == "active"
    sam.hold_to_sign()
    expect(sam.page.locator("#did")).to_contain_text("Approved: Cancel Łukasz Wójcik's Studio subscription")
    expect(jonas.page.locator("#picture .tags").first).to_contain_text("succeeded")
    assert office.subscription("studio")["status"] == "canceled"
    assert office.records(review.action.run, "integrations:call:succeeded") == 1


def waiting_for(window: Window) -> Review:
    """Opens the only review of the queue, which comes by itself."""
    window.page.goto("/reviews/")
    expect(window.page.locator(".item")).to_have_count(1)
    review = Review.objects.select_related("action").get(state="open")
    window.go(review)
    return review


def test_sheet_that_comes_late_does_not_replace_the_one_chosen_since(office: Office, enter: Enter) -> None:
    """Otherwise somebody reads one sheet beside another that is marked in the queue."""
    run = office.begin()
    ana, late, held = enter("ana"), office.review(run, LARGE).id, list[Route]()
    ana.page.route("**/reviews/rev_*/", nothing_ahead)
    ana.page.goto("/reviews/?state=open")
    ana.evaluate(ENDED)
    ana.page.route(f"**/reviews/{late}/", lambda route: held.append(route))
    with ana.page.expect_request(lambda one: late in one.url and "x-prefetch" not in one.headers):
        ana.page.locator(".item").filter(has_text="€480.00").click(no_wait_after=True)
    ana.page.locator(".item").filter(has_text="€42.00").click()
    title = ana.page.locator("#main h1")
    expect(title).to_contain_text("€42.00")
    for route in held:
        route.continue_()
    ana.page.wait_for_function("late => ended.includes(late)", arg=f"/reviews/{late}/")
    expect(title).to_contain_text("€42.00")


# Not by an event of htmx: the queue may fetch itself anew meanwhile, and a link that is gone tells nobody.
ENDED = """() => {
  window.ended = []
  const open = XMLHttpRequest.prototype.open
  XMLHttpRequest.prototype.open = function (method, address, ...more) {
    this.addEventListener("loadend", () => window.ended.push(address))
    return open.call(this, method, address, ...more)
  }
}"""


def nothing_ahead(route: Route) -> None:
    """A sheet that was fetched ahead is there at once, and cannot come late."""
    if "x-prefetch" in route.request.headers:
        route.fulfill(status=404)
    else:
        route.continue_()


def test_everything_goes_by_keys_alone(office: Office, enter: Enter) -> None:
    run = office.begin()
    ana = enter("ana").add_passkey(office.password("ana"))
    ana.page.goto("/reviews/")
    title, chosen = ana.page.locator("#main h1"), ana.page.locator(".item[aria-current]")
    expect(title).to_contain_text("Refund")
    first, second = ("€480.00", "€42.00") if "€480.00" in title.inner_text() else ("€42.00", "€480.00")
    for key, amount in (("j", second), ("j", second), ("k", first), ("k", first)):
        ana.press(key)
        expect(title).to_contain_text(amount)
        expect(chosen).to_contain_text(amount)
    ana.press("?")
    expect(ana.page.get_by_role("dialog")).to_contain_text("Approve: hold, then use your passkey")
    ana.press("Escape")
    ana.press("r")
    expect(ana.bar.get_by_label("Why do you refuse?")).to_be_focused()
    ana.page.keyboard.type("a j k are letters here")
    ana.press("Escape")
    expect(ana.bar.locator("details[open]")).to_have_count(0)

    if first != "€480.00":
        ana.press("j")
        expect(title).to_contain_text("€480.00")
    ana.page.keyboard.down("a")
    ana.page.wait_for_timeout(HOLD)
    ana.page.keyboard.up("a")
    expect(title).to_contain_text("€42.00")
    ana.press("r")
    expect(ana.bar.get_by_label("Why do you refuse?")).to_be_focused()
    ana.page.keyboard.type(REASON)
    ana.press("Tab", "Enter")
    expect(ana.page.get_by_role("heading", name="All done")).to_be_visible()
    wait_until(lambda: office.refunds("large") == [LARGE], "one refund is at the provider")
    said = Decision.objects.filter(review__action__run=run.id).values_list("verdict", "level", "reason")
    assert sorted(said) == [("approve", "passkey", ""), ("refuse", "session", REASON)]
