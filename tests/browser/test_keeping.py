"""Holds, erasing and the page after a restore: accessible and fitting at both widths, and signed by real passkeys."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from audit.holds import place_hold, release_hold
from audit.models import Hold, Record, Tree
from audit.record import record
from audit.trees import log_name, open_tree
from audit.verify import EMPTY
from audit.vocabulary import Kind
from console.accounts.models import User
from console.accounts.people import set_membership
from console.core.actor import system
from console.home.models import RestoreSignature
from examples.demo.people import acting
from tests.audit.growing import Log
from tests.browser.conftest import Enter
from tests.browser.office import Office
from tests.browser.test_pages import Tour
from tests.browser.window import Window
from tests.stack import wait_until

pytestmark = pytest.mark.browser

DAY = dt.date(2026, 1, 1)


@pytest.fixture
def nothing_held(office: Office) -> Iterator[None]:
    yield
    for hold in Hold.objects.filter(state="placed"):
        release_hold(acting("theo" if hold.placed_by == acting("mira").id else "mira"), hold.id, "Over")


@pytest.fixture
def behind(office: Office) -> Iterator[Tree]:
    """The signer seems to remember more of the log than is here."""
    tree = open_tree() or Tree.objects.create(log=log_name(), number=1, origin=f"{log_name()}/1", root=EMPTY)
    note = Log(tree.origin).grow(tree.size + 480).note()
    Tree.objects.filter(pk=tree.pk).update(problem="More was signed than is here.", remembered=note)
    yield tree
    Tree.objects.filter(pk=tree.pk).update(problem="", remembered="")


@pytest.fixture
def bea(office: Office) -> Iterator[User]:
    """Is an admin as well, for as long as this test lasts."""
    user = User.objects.get(username="bea")
    team = user.memberships.get().team
    set_membership(user, team, roles=["reviewer", "admin"], groups=["finance"], actor=system("tests"))
    yield user
    set_membership(user, team, roles=["reviewer"], groups=["finance"], actor=system("tests"))


@pytest.mark.parametrize("width", [1440, 390])
def test_holds_and_erasing_are_accessible_and_fit(
    office: Office, nothing_held: None, enter: Enter, screenshots: Path, width: int
) -> None:
    window = enter(width=width).become("mira")
    tour = Tour(window, screenshots, {})
    tour.see("holds", "/audit/holds/")
    window.page.get_by_label("From").fill("2026-03-14")
    window.page.get_by_label("Why", exact=True).fill("Claim 2026-17, letter of 12 May: the refunds of customer 4711")
    window.leave_by(window.page.get_by_role("button", name="Place the hold"))
    tour.see("hold-own")
    hold = Hold.objects.get(state="placed")
    other = place_hold(acting("theo"), DAY, DAY + dt.timedelta(90), "Question of the supervisory authority")
    release_hold(acting("mira"), other.id, "Answered")
    tour.see("holds-listed", "/audit/holds/")
    tour.see("hold-released", f"/audit/holds/{other.id}/")
    told = record(Kind.DECISION_MADE, subject="dec_x", actor=acting("ana"),
                  personal={"name": "Ana Ruiz", "reason": "The customer was charged twice."})  # fmt: skip
    tour.see("erasure-held", f"/audit/{told}/erasure/")
    window.become("theo")
    tour.see("hold-release", f"/audit/holds/{hold.id}/")
    window.page.get_by_label("Why", exact=True).fill("Settled")
    window.leave_by(window.page.get_by_role("button", name="Release the hold"))
    expect(window.page.get_by_text("Settled")).to_be_visible()
    window.become("mira")
    window.page.goto(f"/audit/{told}/")
    window.leave_by(window.page.get_by_role("link", name="Erase …"))
    tour.see("erasure")
    window.page.get_by_label("name", exact=False).first.uncheck()
    window.page.get_by_label("On which basis").fill("GDPR Art. 17, request 12")
    window.leave_by(window.page.get_by_role("button", name="Erase for good"))
    tour.see("record-erased")
    window.leave_by(window.page.get_by_role("link", name="by whom and why"))
    expect(window.page.get_by_text("GDPR Art. 17, request 12")).to_be_visible()
    assert tour.found == {name: [] for name in tour.found}


@pytest.mark.parametrize("width", [1440, 390])
def test_two_admins_sign_that_a_backup_was_put_back(
    office: Office, behind: Tree, bea: User, enter: Enter, screenshots: Path, width: int
) -> None:
    first = enter(width=width).become("mira")
    tour = Tour(first, screenshots, {})
    tour.see("restore-notice", "/audit/")
    first.leave_by(first.page.get_by_role("link", name="What happened"))
    tour.see("restore-without-passkey")
    first.add_passkey(office.password("mira"))
    tour.see("restore", "/audit/restore/")
    sign(first, "The disk of the database server was lost.")
    expect(first.page.get_by_text("You have signed. Another admin has to sign as well")).to_be_visible()
    tour.see("restore-signed-once")
    second = enter("bea", password="correct horse battery", width=width)
    second.add_passkey("correct horse battery")
    second.page.goto("/audit/restore/")
    expect(second.page.get_by_text("The disk of the database server was lost.")).to_be_visible()
    sign(second, "I put the copy of last night back.")
    expect(second.page.get_by_text(re.compile("The sequencer opens .*/2 in a moment"))).to_be_visible()
    Tree.objects.filter(pk=behind.pk).update(problem="", remembered="")  # as the sequencer does
    expect(second.page.get_by_text("There is nothing to sign")).to_be_visible()  # by itself
    tour.see("restore-nothing", "/audit/restore/")
    wait_until(lambda: RestoreSignature.objects.count() >= 2, "both are kept")
    assert Record.objects.filter(kind=Kind.RESTORE_SIGNED, actor=bea.id).exists()
    assert tour.found == {name: [] for name in tour.found}


def sign(window: Window, reason: str) -> None:
    window.page.get_by_label("Why the backup was put back").fill(reason)
    window.hold_to_sign()
