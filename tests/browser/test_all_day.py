"""Reviewing as people do it all day: many by keys alone, beside somebody who must not know, with changes, by phone."""

import re
from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from playwright.sync_api import expect

from approvals.models import Action, Decision, PolicyVersion, Review
from approvals.publish import publish_policy
from console.runs.models import Run
from examples.demo.people import acting
from tests.browser.conftest import Enter
from tests.browser.office import LARGE, SMALL, Office
from tests.browser.window import HOLD, Window
from tests.stack import wait_until

pytestmark = pytest.mark.browser
RUNS = 10
HALF = LARGE // 2
TWO = """policy: two-of-finance
rules:
  - {id: reads, when: {effect: [read]}, then: allow}
  - {id: two, when: {}, then: review, review: {slots: [{group: finance, count: 2}], signature: password}}
"""


@pytest.fixture
def two_sign(office: Office) -> Iterator[None]:
    before = PolicyVersion.objects.order_by("-number")[0].source
    publish_policy(TWO, actor=acting("mira"))
    yield
    publish_policy(before, actor=acting("mira"))


def test_twenty_reviews_are_decided_by_keys_alone(office: Office, enter: Enter) -> None:
    """The mouse is not touched, and no key is pressed but those that the page tells of."""
    runs = [office.begin().id for _ in range(RUNS)]
    ana = enter("ana").add_passkey(office.password("ana"))
    ana.page.goto("/reviews/")
    title, said = ana.page.locator("#main h1"), ana.page.locator("#said")
    for left in reversed(range(2 * RUNS)):
        expect(title).to_contain_text("Refund")
        how = ("approve", "recuse", "refuse")[min(left, 2)]
        if how == "approve":
            ana.page.keyboard.down("a")
            ana.page.wait_for_timeout(HOLD)
            ana.page.keyboard.up("a")
        elif how == "recuse":
            ana.press("x")
            expect(ana.bar.get_by_label("Why, if you like")).to_be_focused()
            ana.press("Tab", "Enter")
        else:
            ana.press("r")
            expect(ana.bar.get_by_label("Why do you refuse?")).to_be_focused()
            ana.page.keyboard.type(f"Not this one: {left}.")
            ana.press("Tab", "Enter")
        expect(said).to_contain_text(f"{left} left." if left else "Nothing else waits for you.")
    expect(ana.page.get_by_role("heading", name="All done")).to_be_visible()
    made = Decision.objects.filter(review__action__run__in=runs, reviewer__username="ana")
    assert Counter(made.values_list("verdict", flat=True)) == {"refuse": 18, "recuse": 1, "approve": 1}


READ = """() => {
  const page = document.body.cloneNode(true)
  for (const gone of page.querySelectorAll("time, script")) gone.remove()
  return page.textContent.replace(/ +/g, " ").replace(/\\s*\\n\\s*/g, "\\n")
}"""


def read(window: Window, review: Review) -> list[str]:
    """All that stands there of it: queue and sheet, without how long ago anything was."""
    found = []
    for address in ("/reviews/", f"/reviews/{review.pk}/"):
        window.page.goto(address)
        expect(window.page.locator("#votes")).to_be_attached()
        found.append(text_of(window))
    window.page.goto("/reviews/?state=closed")
    return [*found, text_of(window)]


def text_of(window: Window) -> str:
    """With the pieces that the page has fetched."""
    window.page.wait_for_load_state("networkidle")
    return str(window.evaluate(READ))


@pytest.mark.usefixtures("two_sign")
def test_the_second_of_two_learns_nothing_of_the_first_until_both_have_voted(office: Office, enter: Enter) -> None:
    review = office.review(office.begin(), SMALL)
    ana, bea = enter("ana"), enter("bea", password="correct horse battery")
    before = read(bea, review)
    ana.go(review)
    ana.sign_by_password(office.password("ana"))
    expect(ana.page.locator("#did")).to_contain_text("You approved, others are still asked")
    assert list(unified_diff("".join(before).splitlines(), "".join(read(bea, review)).splitlines())) == []
    bea.go(review)
    expect(bea.page.locator("#votes")).to_contain_text("Whether and how others decided is shown when all have.")
    bea.sign_by_password("correct horse battery")
    expect(bea.page.locator("#did")).to_contain_text("Approved: Refund €42.00")
    for window in (ana, bea):
        votes = window.go(review).locator("#votes")
        expect(votes).to_contain_text("Ana Ferreira")
        expect(votes).to_contain_text("Bea Okonkwo")


def test_one_changes_it_by_keys_and_the_other_signs_what_it_is_now(
    office: Office, enter: Enter, screenshots: Path
) -> None:
    run = office.begin()
    review = office.review(run, LARGE)
    ana, bea = enter("ana"), enter("bea", password="correct horse battery")
    bea.add_passkey("correct horse battery")
    ana.go(review)
    ana.press("c")
    amount = ana.bar.get_by_label("amount")
    amount.fill("a half")
    ana.bar.get_by_label("Why?").fill("Half of it was used.")
    found = ana.judge("change", screenshots)
    ana.bar.get_by_role("button", name="Ask for this instead").click()
    expect(ana.bar.get_by_role("alert")).to_contain_text("amount cannot be read")
    expect(amount).to_have_value("a half")
    amount.fill(str(HALF))
    ana.bar.get_by_role("button", name="Ask for this instead").click()
    expect(ana.page.locator("#did")).to_contain_text("Changed; somebody else signs what has become of: Refund €480.00")
    wait_until(Review.objects.filter(action=review.action_id, state="open").exists, "others are asked")
    now = Review.objects.get(action=review.action_id, state="open")
    bea.go(now)
    expect(bea.page.locator("#main h1")).to_contain_text("€240.00")
    expect(bea.page.get_by_text("and says: Half of it was used.")).to_be_visible()
    found += bea.judge("changed", screenshots)
    bea.hold_to_sign()
    expect(bea.page.locator("#did")).to_contain_text("Approved: Refund €240.00")
    wait_until(lambda: office.refunds("large") == [HALF], "half is at the provider")
    ana.go(now)
    expect(ana.page.locator("#votes")).to_contain_text("Bea Okonkwo")
    assert Action.objects.get(pk=review.action_id).revision == 2
    assert found == []


def test_a_phone_shows_changes_and_signs(office: Office, enter: Enter, screenshots: Path) -> None:
    """390 px wide, by passkey, with a thumb."""
    run = office.begin()
    ana = enter("ana", width=390).add_passkey(office.password("ana"))
    ana.page.goto("/reviews/")
    ana.page.get_by_role("link", name=re.compile("Refund €480.00")).click()
    expect(ana.page.locator("#main h1")).to_contain_text("€480.00")
    ana.bar.locator("summary").filter(has_text="Change").click()
    expect(ana.bar.get_by_label("charge")).to_be_focused()
    found = ana.judge("change", screenshots)
    ana.bar.get_by_role("button", name="Back").click()
    found += ana.judge("sign", screenshots)
    ana.hold_to_sign()
    expect(ana.page.locator("#did")).to_contain_text("Approved: Refund €480.00")
    wait_until(lambda: office.refunds("large") == [LARGE], "one refund is at the provider")
    assert found == []
    assert Run.objects.get(pk=run.id).state == "running"
