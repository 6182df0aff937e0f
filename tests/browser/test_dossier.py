"""A dossier, opened from the disk without a network: it says by itself whether it is what it says."""

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect
from pytest_django.plugin import DjangoDbBlocker

from approvals.dossier import make_dossier
from audit import proofs
from audit.models import Tree
from console.core import presence
from console.core.canonical import digest
from examples.demo.charges import seed_charges
from examples.demo.people import acting, seed_people
from examples.demo.seed import connect
from tests.audit.conftest import SignedLog, SignerInProcess, begin_next_tree
from tests.audit.test_dossier import data
from tests.browser.alone import Alone
from tests.conftest import a_clone
from tests.spine.conftest import World, running_standin
from tests.spine.test_signing_for import name_sam

__all__ = ["running_standin"]
pytestmark = pytest.mark.browser
SENTENCE = "Refund €480.00 to Zoë Lindqvist"


@pytest.fixture(scope="module")
def made(
    chromium: Browser,
    running_standin: str,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> tuple[str, str]:
    """The file, and the log's key."""
    page, keys = make(running_standin, tmp_path_factory.mktemp("signer"), django_db_blocker)
    return page, keys[0]


@pytest.fixture(scope="module")
def over_restore(
    chromium: Browser,
    running_standin: str,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> tuple[str, list[str]]:
    """The same of an action that was held before a restore and decided after it."""
    return make(running_standin, tmp_path_factory.mktemp("signer"), django_db_blocker, restore=True)


def make(
    running_standin: str,
    signer: Path,
    django_db_blocker: DjangoDbBlocker,
    *,
    restore: bool = False,
    instead: bool = False,
) -> tuple[str, list[str]]:
    """Playwright's event loop runs in this thread already."""
    httpx.delete(f"{running_standin}/_config/data").raise_for_status()
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        patch.setattr(presence, "number", lambda: 1)
        patch.setattr(presence, "alive", lambda: {1})
        with a_clone():
            world = World(running_standin, seed_charges(running_standin))
            seed_people()
            connect(running_standin)
            world.begin()
            world.settle()
            log = SignedLog(SignerInProcess(signer))
            world.authenticator("ana")
            if restore:
                begin_next_tree(log)
            if instead:
                name_sam()
            who = "sam" if instead else "ana"
            review = world.sign(world.review(large=True), who, reason="Charged twice, <b>see</b> above")
            world.settle()
            log.sequence()
            page = make_dossier(acting("theo"), review.id).page.decode()
            return page, [key for tree in Tree.objects.order_by("number") for key in proofs.log_keys(tree)]


Open = Callable[..., Alone]


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Open:
    def at(page: str, **how: int) -> Alone:
        file = tmp_path / "dossier.html"
        file.write_text(page)
        return Alone(chromium, file, **how)

    return at


def states(alone: Alone) -> dict[str, str]:
    expect(alone.page.locator(".end")).to_be_visible()
    items = alone.page.locator(".verdicts > li").all()
    return {item.locator("b").inner_text(): item.locator(".state").inner_text() for item in items}


def test_it_checks_itself_and_shows_everything(made: tuple[str, str], opened: Open) -> None:
    alone = opened(made[0])
    assert states(alone) == {
        "Records": "ok", "Identity of the log": "left to you", "Witnesses": "left to you", "Decisions": "ok",
        "What was shown and agreed": "ok", "What was sent": "ok",
    }  # fmt: skip
    page = alone.page
    expect(page.get_by_role("heading", level=1)).to_contain_text(SENTENCE)
    expect(page.get_by_text("Ana Ferreira decided: approve, by passkey. The signature is right.")).to_be_visible()
    expect(page.get_by_text("Charged twice, <b>see</b> above")).to_be_visible()
    expect(page.get_by_text("“I approve that exactly this is done.”")).to_be_visible()
    expect(page.get_by_text("POST http://127.0.0.1")).to_be_visible()
    page.get_by_text("What it stood in").click()
    expect(page.get_by_text('"stripe.list_charges": 1')).to_be_visible()
    page.get_by_text("The key that you were given").click()
    page.get_by_label("The log’s verifier key").fill(made[1])
    page.get_by_label("The log’s verifier key").blur()
    expect(page.get_by_text("Signed by the log with the key that you gave")).to_be_visible()
    assert alone.close() == []


def test_a_signature_in_anothers_place_names_both(
    running_standin: str, opened: Open, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    page, _ = make(running_standin, tmp_path, django_db_blocker, instead=True)
    alone = opened(page)
    assert states(alone)["Decisions"] == "ok"
    said = "Sam Castellanos for Ana Ferreira decided: approve, by passkey. The signature is right."
    expect(alone.page.get_by_text(said)).to_be_visible()
    expect(alone.page.get_by_text("Ana Ferreira (usr_")).to_be_visible()
    assert alone.close() == []


def test_another_key_than_the_one_that_was_given_fails(made: tuple[str, str], opened: Open) -> None:
    alone = opened(made[0])
    alone.page.get_by_text("The key that you were given").click()
    alone.page.get_by_label("The log’s verifier key").fill(
        "localhost:1/1+12d29e1f+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    )
    alone.page.get_by_label("The log’s verifier key").blur()
    expect(alone.page.locator(".end.failed")).to_be_visible()
    alone.close()


def changed(page: str, old: str, new: str) -> str:
    """In the data only, which stands before the script."""
    at = page.index('id="data"')
    assert old in page[at:]
    return page[:at] + page[at:].replace(old, new, 1)


def escaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


EDITS: dict[str, tuple[Callable[[str], tuple[str, str]], str]] = {
    "sentence": (lambda page: (f'"sentence":"{escaped("Refund")}', '"sentence":"Refuse'), "What was shown and agreed"),
    "amount": (lambda page: ('"becomes":48000', '"becomes":48001'), "What was shown and agreed"),
    "argument": (lambda page: ('"arguments":{"', '"arguments":{"x'), "What was shown and agreed"),
    "evidence": (lambda page: ('"evidence":[{"title":"', '"evidence":[{"title":"x'), "What was shown and agreed"),
    "context": (lambda page: ('"writes":0', '"writes":1'), "What was shown and agreed"),
    "reason": (lambda page: ("Charged twice", "Charged Twice"), "Records"),
    "leaf": (lambda page: ('\\"state\\":\\"succeeded\\"', '\\"state\\":\\"succeeeed\\"'), "Records"),
    "request": (lambda page: (data(page.encode())["request"]["path"], "/v1/refundz"), "What was sent"),
    "signature": (lambda page: flip(data(page.encode())["decisions"][0]["signature"]), "Decisions"),
    "payload": (lambda page: flip(data(page.encode())["decisions"][0]["payload"]), "Decisions"),
    "root": (lambda page: flip(data(page.encode())["trees"][0]["checkpoint"].split("\n")[2]), "Identity of the log"),
    "proof": (lambda page: flip(data(page.encode())["records"][0]["proof"][0]), "Records"),
}  # fmt: skip


def flip(text: str) -> tuple[str, str]:
    """One character in the middle of base64."""
    at = len(text) // 2
    return text, text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


@pytest.mark.parametrize("what", EDITS)
def test_one_character_that_was_edited_is_told(made: tuple[str, str], opened: Open, what: str) -> None:
    edit, question = EDITS[what]
    alone = opened(changed(made[0], *edit(made[0])))
    found = states(alone)
    assert found[question] == "failed"
    expect(alone.page.locator(".end")).to_contain_text("This file is not what it says.")
    alone.close()


def rewritten(page: str, told: dict[str, Any]) -> str:
    """The page with other data."""
    start = page.index(">", page.index('id="data"')) + 1
    text = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    return page[:start] + text + page[page.index("</script>", start) :]


def with_another_request(told: dict[str, Any]) -> dict[str, Any]:
    """The document names it, as a forger would make them."""
    request = {**told["request"], "path": "/v1/transfers"}
    named = {**request, "body": hashlib.sha256(b64decode(request["body"])).hexdigest()}
    document = {**told["document"], "request_digest": digest("countersign/request/v1", named).hex()}
    return {**told, "request": request, "document": document}


def keeping(told: dict[str, Any], *, decisions: bool, without: tuple[str, ...] = (), **only: str) -> dict[str, Any]:
    """Fewer records, whose proofs hold all the same."""

    def stays(one: dict[str, Any]) -> bool:
        kind = json.loads(one["leaf"])["action"]
        return kind not in without and kind.startswith(only.get("kind", ""))

    records = [one for one in told["records"] if stays(one)]
    return {**told, "records": records, "decisions": told["decisions"] if decisions else [], "disclosures": []}


AGREED = "is the one that was agreed"
NOT_AGREED = "Nothing here proves which request was agreed."


def test_file_without_a_record_of_its_action_is_told(made: tuple[str, str], opened: Open) -> None:
    """The log's own checkpoint, and around it nothing that anybody has agreed."""
    forged = keeping(with_another_request(data(made[0].encode())), decisions=False, kind="none")
    alone = opened(rewritten(made[0], forged))
    assert states(alone) == {
        "Records": "failed", "Identity of the log": "left to you", "Witnesses": "left to you",
        "Decisions": "left to you", "What was shown and agreed": "left to you", "What was sent": "left to you",
    }  # fmt: skip
    expect(alone.page.get_by_text("No record that is proven here is about the action of this file.")).to_be_visible()
    expect(alone.page.get_by_text(NOT_AGREED)).to_be_visible()
    expect(alone.page.get_by_text(AGREED)).to_have_count(0)
    alone.close()


def test_request_that_no_record_and_no_signature_names_is_left_to_the_reader(
    made: tuple[str, str], opened: Open
) -> None:
    forged = keeping(with_another_request(data(made[0].encode())), decisions=False, kind="approvals:action:proposed")
    alone = opened(rewritten(made[0], forged))
    found = states(alone)
    assert (found["Records"], found["What was sent"]) == ("ok", "left to you")
    expect(alone.page.get_by_text(NOT_AGREED)).to_be_visible()
    expect(alone.page.get_by_text(AGREED)).to_have_count(0)
    alone.close()


SETTLING = ("approvals:action:held", "approvals:action:permitted")


@pytest.mark.parametrize(
    ("without", "decisions", "otherwise"),
    [(SETTLING, True, "left to you"), (("approvals:decision:made",), False, "failed")],
    ids=["signature", "record"],
)
def test_signature_or_record_alone_proves_which_request_was_agreed(
    made: tuple[str, str], opened: Open, without: tuple[str, ...], decisions: bool, otherwise: str
) -> None:
    """A document that was altered is no longer the one that was signed, which is told of what was agreed."""
    told = data(made[0].encode())
    for given, sent, shown in ((told, "ok", True), (with_another_request(told), otherwise, False)):
        alone = opened(rewritten(made[0], keeping(given, decisions=decisions, without=without)))
        found = states(alone)
        assert (found["What was sent"], found["What was shown and agreed"] != "failed") == (sent, shown)
        alone.close()


def test_record_alone_tells_what_the_action_stood_in(made: tuple[str, str], opened: Open) -> None:
    told = data(made[0].encode())
    unsigned = keeping(told, decisions=False, without=("approvals:decision:made",))
    rendering = {**told["rendering"], "context": {**told["rendering"]["context"], "actions": 7}}
    for given, found in ((unsigned, "left to you"), ({**unsigned, "rendering": rendering}, "failed")):
        alone = opened(rewritten(made[0], given))
        assert states(alone)["What was shown and agreed"] == found
        alone.close()


def test_records_of_another_action_are_told(made: tuple[str, str], opened: Open) -> None:
    told = data(made[0].encode())
    alone = opened(rewritten(made[0], {**told, "action": "act_other"}))
    found = states(alone)
    assert (found["Records"], found["Decisions"], found["What was sent"]) == ("failed", "failed", "failed")
    alone.close()


def test_file_with_records_of_two_trees_checks_itself_too(over_restore: tuple[str, list[str]], opened: Open) -> None:
    page, keys = over_restore
    alone = opened(page)
    assert states(alone) == {
        "Records": "ok", "Identity of the log": "left to you", "Witnesses": "left to you", "Decisions": "ok",
        "What was shown and agreed": "ok", "What was sent": "ok",
    }  # fmt: skip
    origins = [key.partition("+")[0] for key in keys]
    expect(alone.page.get_by_text(f"The log went on after a restore: {', '.join(origins)}.")).to_be_visible()
    expect(alone.page.get_by_text(f"No witness has seen the checkpoint of {origins[1]}.")).to_be_visible()
    expect(alone.page.get_by_text("Ana Ferreira decided: approve, by passkey. The signature is right.")).to_be_visible()
    for kind in ("approvals:action:proposed", "approvals:action:succeeded"):
        expect(alone.page.locator("summary", has_text=kind)).to_have_count(1)
    alone.page.get_by_text("The key that you were given").click()
    for given, expected in ((keys, "ok"), (keys[1:], "failed")):
        alone.page.get_by_label("The log’s verifier key").fill("\n".join(given))
        alone.page.get_by_label("The log’s verifier key").blur()
        item = alone.page.locator(".verdicts > li", has_text="Identity of the log")
        expect(item.locator(".state")).to_have_text(expected)
    assert alone.close() == []


def checkpoint(page: str, tree: int) -> list[str]:
    lines: list[str] = data(page.encode())["trees"][tree]["checkpoint"].split("\n")
    return lines


def written(value: object) -> str:
    """As it stands in the file."""
    return json.dumps(value, separators=(",", ":"))


OVER: dict[str, tuple[Callable[[str], tuple[str, str]], str]] = {
    "root before": (lambda page: flip(checkpoint(page, 0)[2]), "Identity of the log"),
    "root after": (lambda page: flip(checkpoint(page, 1)[2]), "Identity of the log"),
    "proof after": (lambda page: flip(data(page.encode())["records"][-1]["proof"][-1]), "Records"),
    "tree of a record": (lambda page: ('"records":[{"tree":0', '"records":[{"tree":1'), "Records"),
    "tree of a decision": (lambda page: ('"decisions":[{"tree":1', '"decisions":[{"tree":0'), "Decisions"),
    "tree of an enrolment": (lambda page: ('"enrolled":{"tree":0', '"enrolled":{"tree":1'), "Decisions"),
    "order of the trees": (lambda page: (written(data(page.encode())["trees"]),
                                         written(data(page.encode())["trees"][::-1])), "Identity of the log"),
}  # fmt: skip


@pytest.mark.parametrize("what", OVER)
def test_record_that_is_said_to_stand_elsewhere_is_told(
    over_restore: tuple[str, list[str]], opened: Open, what: str
) -> None:
    edit, question = OVER[what]
    alone = opened(changed(over_restore[0], *edit(over_restore[0])))
    assert states(alone)[question] == "failed"
    alone.close()


@pytest.mark.parametrize("piece", ["const QUESTIONS", ".end.failed"])
def test_another_script_or_style_does_not_run(made: tuple[str, str], opened: Open, piece: str) -> None:
    """Whoever alters these has to alter the policy as well, which is why there are other verifiers."""
    alone = opened(made[0].replace(piece, f"{piece} ", 1))
    assert any("Content Security Policy" in fault for fault in alone.close())


def test_data_that_is_broken_is_told(made: tuple[str, str], opened: Open) -> None:
    alone = opened(changed(made[0], '{"format"', '{"formatt"'))
    expect(alone.page.locator(".end")).to_contain_text("This file cannot be checked.")
    alone.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_it_is_accessible_fits_and_prints(made: tuple[str, str], opened: Open, screenshots: Path, width: int) -> None:
    alone = opened(made[0], width=width)
    states(alone)
    found = alone.judge("dossier", screenshots)
    alone.page.emulate_media(media="print")
    alone.page.screenshot(path=screenshots / f"dossier-{width}-print.png", full_page=True)
    assert found + alone.close() == []
