"""Break-glass in real browsers: asked for in one, signed in another, and read in the first alone."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from approvals.models import Review
from examples.demo.people import acting
from integrations.describe import revoke_credential, store_credential
from integrations.models import Credential, Integration
from tests.browser.conftest import Enter
from tests.browser.office import Office
from tests.browser.test_pages import Tour
from tests.stack import wait_until

pytestmark = pytest.mark.browser

SECRET = "sk_test_spare_key_of_the_emergency"


@pytest.fixture
def spare(office: Office) -> Credential:
    stripe = Integration.objects.get(slug="stripe")
    number = stripe.credentials.count()
    return store_credential(stripe, name=f"spare key {number}", secret=SECRET, actor=acting("mira"))


@pytest.mark.parametrize("width", [1440, 390])
def test_a_credential_is_opened_for_whoever_asked_in_their_browser_alone(
    office: Office, spare: Credential, enter: Enter, screenshots: Path, width: int
) -> None:
    mira = enter(width=width).become("mira")
    tour, page = Tour(mira, screenshots, {}), mira.page
    tour.see("opening", f"/integrations/credentials/{spare.pk}/open/")
    page.get_by_label("Why").fill("The provider's support asks for the key: case 4711")
    mira.leave_by(page.get_by_role("button", name="Ask for it to be opened"))
    waiting = Review.objects.filter(action__operation__slug="open_credential", state="open")
    wait_until(waiting.exists, "somebody is asked")
    expect(page.get_by_text("It waits for a signature of the group admins.")).to_be_visible()
    tour.see("opening-waits")

    sam = enter("sam").add_passkey(office.password("sam"))
    sam.go(waiting.get())
    shown = Tour(sam, screenshots, tour.found)
    shown.see("opening-review")
    sam.hold_to_sign()

    button = page.get_by_role("button", name="Show the secret")
    expect(button).to_be_visible(timeout=20_000)
    tour.see("opening-open")
    button.click()
    expect(page.get_by_text(SECRET)).to_be_visible()
    tour.see("opening-shown")

    elsewhere = enter(width=width).become("mira")
    elsewhere.page.goto(f"/integrations/credentials/{spare.pk}/open/")
    elsewhere.page.get_by_role("button", name="Show the secret").click()
    expect(elsewhere.page.get_by_text("This browser does not have the key.")).to_be_visible()
    assert SECRET not in elsewhere.page.content()
    tour.see("opening-credential", f"/integrations/credentials/{spare.pk}/")
    assert tour.found == {name: [] for name in tour.found}
    revoke_credential(spare, actor=acting("mira"))
