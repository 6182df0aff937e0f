"""Records checked by the browser that shows them: what it says of a sound log, and how loudly of any other."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from audit.models import Record, Tree
from audit.note import SigningKey, checkpoint_body, sign_note
from audit.record import record
from audit.verify import leaf_hash
from audit.vocabulary import Kind
from examples.demo.people import acting
from tests.audit.conftest import SignedLog
from tests.audit.written import Grown
from tests.browser.conftest import Enter
from tests.browser.office import Office
from tests.browser.window import Window

pytestmark = pytest.mark.browser


@pytest.fixture
def theo(office: Office, enter: Enter) -> Window:
    return enter("theo")


@pytest.fixture
def one(office: Office, signed: SignedLog) -> Record:
    identity = record(Kind.PAGE_READ, subject="<b>thing</b>", actor=acting("jonas"), detail={"word": "Überraschung ✓"})
    signed.sequence()
    return Record.objects.get(pk=identity)


def look(window: Window, row: Record) -> Page:
    window.page.goto(f"/audit/{row.pk}/")
    return window.page


def says(page: Page, text: str) -> None:
    expect(page.get_by_role("region", name="Checked in this browser").get_by_role("status")).to_contain_text(text)


def checks(page: Page) -> list[str]:
    return page.get_by_role("region", name="Checked in this browser").locator("li b").all_inner_texts()


def test_a_record_is_verified_and_the_log_remembered(theo: Window, one: Record, signed: SignedLog) -> None:
    page = look(theo, one)
    says(page, "Verified in this browser.")
    assert checks(page) == ["Bytes", "Place", "Signature", "Witness", "History"]
    expect(page.get_by_text("By a key that this browser sees for the first time.")).to_be_visible()
    signed.sequence_in([400])
    says(look(theo, one), "Verified in this browser.")
    expect(
        page.get_by_text(re.compile("One history with the tree of .* records that this browser saw"))
    ).to_be_visible()
    expect(page.get_by_text("which this browser knows")).to_be_visible()


def test_a_record_that_waits_is_checked_when_it_is_there(theo: Window, office: Office, signed: SignedLog) -> None:
    row = Record.objects.get(pk=record(Kind.PAGE_READ, subject="late", actor=acting("jonas")))
    page = look(theo, row)
    says(page, "This record waits for its place in the tree.")
    signed.sequence()
    says(page, "Verified in this browser.")


def test_a_record_whose_bytes_were_altered_is_an_alarm(theo: Window, one: Record) -> None:
    def alter(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("Überraschung", "Uberraschung"))

    theo.page.route(f"**/audit/{one.pk}/", alter)
    page = look(theo, one)
    expect(page.get_by_role("alert").filter(has_text="This record is not what the log took over.")).to_be_visible()
    says(page, "Does not verify. These bytes hash to")


Forge = Callable[[Record, SignedLog], dict[str, object]]


def rewritten(row: Record, signed: SignedLog, key: SigningKey | None = None) -> dict[str, object]:
    """Another log with the same record, signed by the log's own key unless another is given."""
    tree = Tree.objects.get()
    size = tree.size + 10
    grown = Grown().grow([leaf_hash(b"forged")] * (size - 1) + [leaf_hash(bytes(row.leaf))])
    keys = [key] if key else signed.signer.signer.store.keys_of(tree.origin)
    note = sign_note(checkpoint_body(tree.origin, size, grown.root()), keys)
    lines = [b64encode(one).decode() for one in grown.inclusion(size - 1, size)]
    proof = "\n".join(["c2sp.org/tlog-proof@v1", f"index {size - 1}", *lines, "", note])
    return {"proof": proof, "keys": [one.vkey for one in keys], "witnesses": [], "introductions": []}


def signed_by_another(row: Record, signed: SignedLog) -> dict[str, object]:
    return rewritten(row, signed, SigningKey.generate(Tree.objects.get().origin))


@pytest.mark.parametrize(("forge", "title"), [
    (rewritten, "This is another history than the one that this browser saw earlier."),
    (signed_by_another, "This log is signed by somebody else."),
])  # fmt: skip
def test_another_log_than_the_one_seen_before_is_an_alarm(
    theo: Window, one: Record, signed: SignedLog, forge: Forge, title: str, tmp_path: Path
) -> None:
    says(look(theo, one), "Verified in this browser.")
    kept = theo.evaluate("JSON.stringify(localStorage)")
    forged = forge(one, signed)
    theo.page.route("**/proof/", lambda route: route.fulfill(json=forged))
    page = look(theo, one)
    notice = page.get_by_role("alert").filter(has_text=title)
    expect(notice).to_be_visible()
    expect(notice).to_contain_text("Save what was seen, and hand it to whoever answers for security")
    assert theo.evaluate("JSON.stringify(localStorage)") == kept
    with page.expect_download() as saved:
        notice.get_by_role("button", name="Save what was seen").click()
    seen = json.loads(Path(saved.value.path()).read_text())
    assert (seen["told"], seen["leaf"]) == (forged, bytes(one.leaf).decode())
    assert seen["known"] == json.loads(json.loads(kept)[f"countersign.log {Tree.objects.get().origin}"])


def test_a_console_that_cannot_be_reached_is_no_alarm(theo: Window, one: Record) -> None:
    answers = iter(["abort"])

    def once(route: Route) -> None:
        route.abort() if next(answers, "") else route.fallback()

    theo.page.route("**/proof/", once)
    page = look(theo, one)
    says(page, "Verified in this browser.")
    assert page.get_by_role("alert").all_inner_texts() == [""]


@pytest.mark.parametrize("width", [1440, 390])
def test_checks_and_alarms_are_accessible_and_fit(
    office: Office, enter: Enter, one: Record, signed: SignedLog, screenshots: Path, width: int
) -> None:
    window = enter("theo", width=width)
    says(look(window, one), "Verified in this browser.")
    found = window.judge("record-verified", screenshots)
    forged = rewritten(one, signed)
    window.page.route("**/proof/", lambda route: route.fulfill(json=forged))
    says(look(window, one), "Does not verify.")
    found += window.judge("record-alarm", screenshots)
    assert found == []
