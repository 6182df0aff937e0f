"""Every page at both widths, in both themes: no flaw that axe-core finds, never wider than the window, pictured."""

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core import signing
from playwright.sync_api import expect

from approvals.models import Action, PostReview, Review
from approvals.signoff import BySession, signoff
from audit.exports.request import request_export
from audit.models import Export, Record
from audit.move import begin
from console.accounts.models import Passkey, User
from console.core.clock import now
from console.home.processes import ROOT
from console.notices.channels import end_channel, open_channel
from console.notices.models import Address, Channel, Message, Preference, RotaEntry
from console.notices.people import SALT
from console.notices.rota import add_entry, remove_entry
from console.runs.models import Run
from examples.demo.people import acting
from tests.browser.conftest import Enter
from tests.browser.office import LARGE, SMALL, Office
from tests.browser.window import Window
from tests.notices.conftest import listening
from tests.services import services
from tests.stack import wait_until

pytestmark = pytest.mark.browser

Found = dict[str, list[str]]


@dataclass
class Tour:
    """Goes from page to page and keeps what is wrong with each."""

    window: Window
    directory: Path
    found: Found

    def see(self, name: str, address: str = "") -> None:
        if address:
            self.window.page.goto(address)
        self.found[name] = self.window.judge(name, self.directory)


@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_accessible_and_fits(office: Office, enter: Enter, screenshots: Path, width: int) -> None:
    refused, waiting, cancelling = office.begin(), office.begin(), office.begin_cancelling("archive")
    for amount in (LARGE, SMALL):
        signoff(
            office.review(refused, amount).id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana")
        )
    wait_until(lambda: Run.objects.get(pk=refused.id).state == "failed", "the refused run ends")
    tour = Tour(enter(width=width), screenshots, {})
    for look in (see_signing_in, see_account, see_notices, see_reviews, see_legal, see_runs, see_rooms, see_log):
        look(tour, office, {"refused": refused, "waiting": waiting}, cancelling)
    assert tour.found == {name: [] for name in tour.found}


Runs = dict[str, Run]


def see_signing_in(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    tour.see("sign-in", "/sign-in/")
    tour.window.sign_in("ana", "wrong")
    tour.see("sign-in-refused")
    tour.see("sign-in-closed", "/sign-in/closed/")
    tour.see("setup-used", "/setup/nothing/")


def see_account(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    window = tour.window.become("ana")
    tour.see("account-empty", "/account/")
    tour.see("confirm", "/account/passkeys/add/")
    window.page.get_by_label("Password").fill(office.password("ana"))
    window.leave_by(window.page.get_by_role("button", name="Confirm"))
    tour.see("passkey-add")
    window.add_passkey(office.password("ana"))
    tour.see("account", "/account/")
    tour.see("recovery-codes", "/account/recovery-codes/")
    tour.see("recovery-codes-new", "/account/recovery-codes/new/")
    tour.see("passkey-remove", f"/account/passkeys/{Passkey.objects.get(revoked_at=None).id}/removal/")
    tour.see("sign-out", "/sign-out/")


def see_notices(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    tour.window.become("ana")
    tour.see("notices-empty", "/account/notices/")
    tour.window.become("mira")
    tour.see("team-notices-empty", "/notices/")
    tour.see("channel-add", "/notices/channels/add/")
    ana = listening("ana", quiet_from=720, quiet_until=780)
    moments = {"begins": now(), "ends": now() + dt.timedelta(hours=8)}
    entry = add_entry(group="finance", person=ana.pk, **moments, actor=acting("mira"))
    address = "https://hooks.example/services/T000"
    channel = open_channel(kind="chat", name="#approvals", url=address, groups=["finance"], actor=acting("mira"))
    sent = Message.objects.create(user=ana, kind="test", sent_at=now())
    Message.objects.create(channel=channel, kind="test", why_not="It answered 404.")
    tour.see("team-notices", "/notices/")
    tour.window.become("ana")
    tour.see("notices", "/account/notices/")
    tour.window.page.get_by_label("Time zone").fill("Nowhere")
    tour.window.leave_by(tour.window.page.get_by_role("button", name="Keep"))
    tour.see("notices-refused")
    Address.objects.filter(user=ana).update(confirmed_at=None)
    key = (services().state / "keys" / "secret_key").read_text().strip()
    token = signing.dumps(Address.objects.get(user=ana).pk, key=key, salt=SALT)
    tour.see("notices-confirm", f"/account/notices/confirm/{token}/")
    expect(tour.window.page.get_by_role("button", name="It is mine")).to_be_visible()
    forget_notices(ana, entry, channel, sent)


def forget_notices(person: User, entry: RotaEntry, channel: Channel, sent: Message) -> None:
    """The other width begins with nothing, and nobody else is told."""
    remove_entry(entry, actor=acting("mira"))
    end_channel(channel, actor=acting("mira"))
    sent.delete()
    for mine in (Address, Preference):
        mine.objects.filter(user=person).delete()


def see_reviews(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    window, page = tour.window, tour.window.page
    page.goto("/reviews/")
    if window.width > 720:
        expect(window.bar.get_by_role("button", name="Hold to sign")).to_be_visible()  # it opens the first by itself
    tour.see("queue")
    tour.see("review", f"/reviews/{office.review(runs['waiting'], LARGE).id}/")
    keep_for_the_documents(window)
    window.bar.locator("summary").filter(has_text="Refuse").click()
    tour.see("review-refuse")
    tour.see("review-small", f"/reviews/{office.review(runs['waiting'], SMALL).id}/")
    window.bar.get_by_text("With your password", exact=True).click()
    tour.see("review-password")
    tour.see("review-refused", f"/reviews/{office.review(runs['refused'], LARGE).id}/")
    tour.see("queue-decided", "/reviews/?state=closed")
    tour.see("queue-open", "/reviews/?state=open")
    see_how_and_afterwards(tour, office.review(runs["refused"], SMALL).action)
    tour.see("review-missing", "/reviews/rev_nothing/")
    tour.see("refused-to-read", "/audit/")
    if window.width > 720:
        page.goto(f"/reviews/{office.review(runs['waiting'], LARGE).id}/")
        window.press("?")
        tour.see("keys")
    else:
        page.goto("/runs/")
        page.locator(".rail .more summary").click()
        tour.see("more-rooms")


def see_how_and_afterwards(tour: Tour, action: Action) -> None:
    tour.see("how-i-review", "/reviews/how-i-review/")
    asked = PostReview(team=action.team, action=action, cause="sample", groups=["finance"], not_by=[])
    begin(asked, actor=acting("mira"))
    tour.see("afterwards", "/reviews/afterwards/")
    tour.see("afterwards-one", f"/reviews/afterwards/{asked.pk}/")


def keep_for_the_documents(window: Window) -> None:
    """The README's picture; refreshed only when asked to, because each new one is another file in history."""
    if os.environ.get("COUNTERSIGN_DOCS_IMAGES") == "1" and window.width == 1440:
        window.page.screenshot(path=ROOT / "docs" / "images" / "review.png")


def see_legal(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    tour.window.become("sam")
    tour.see("review-without-passkey", f"/reviews/{cancelling.id}/")
    tour.window.become("noa")
    tour.see("no-role", "/account/")


def see_runs(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    tour.window.become("jonas")
    tour.see("runs", "/runs/")
    tour.see("runs-none", "/runs/?state=succeeded&workflow=cancel-subscription")
    tour.see("run-waiting", f"/runs/{runs['waiting'].id}/")
    tour.window.page.get_by_text("Cancel the run").click()
    tour.see("run-cancel")
    tour.see("run-failed", f"/runs/{runs['refused'].id}/")
    tour.see("run-start", "/runs/new/cancel-subscription/")
    tour.see("review-of-ones-own", f"/reviews/{cancelling.id}/")


def see_rooms(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    tour.window.become("mira")
    tour.see("how-we-review", "/reviews/how-we-review/")
    tour.see("afterwards-set", "/reviews/afterwards/")
    tour.see("workflows", "/workflows/")
    tour.see("workflow", "/workflows/billing-care/")
    tour.see("workflow-publish", "/workflows/publish/?from=billing-care")
    tour.see("integrations", "/integrations/")
    tour.see("integration", "/integrations/stripe/")
    tour.window.page.get_by_text("Refund a charge").first.click()
    tour.see("integration-operation")
    tour.see("environment", "/integrations/stripe/environment/")
    tour.see("connect", "/integrations/connect/openapi/")
    tour.window.page.get_by_label("Signature with a shared secret").check()
    expect(tour.window.page.get_by_label("What is signed")).to_be_visible()
    expect(tour.window.page.get_by_label("Region")).to_be_hidden()
    tour.see("connect-asked")


def see_exports(tour: Tour) -> None:
    if not Export.objects.exists():
        tour.see("exports-empty", "/audit/exports/")
    tour.see("export-new", "/audit/exports/new/?kind=runs:")
    export = request_export(acting("theo"), form="bundle", filter={"kind": "runs:"})
    tour.see("export-waiting", f"/audit/exports/{export.pk}/")
    tour.see("exports", "/audit/exports/")


def see_log(tour: Tour, office: Office, runs: Runs, cancelling: Review) -> None:
    tour.window.become("theo")
    tour.see("audit", "/audit/")
    tour.see("audit-none", "/audit/?kind=nothing")
    tour.see("tree", "/audit/tree/")
    see_exports(tour)
    record = Record.objects.filter(run=runs["refused"].id, kind="approvals:decision:made")[0]
    tour.see("record", f"/audit/{record.pk}/")
    expect(tour.window.page.locator(".proof")).to_contain_text("This record waits for its place in the tree.")
