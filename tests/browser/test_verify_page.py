"""verify.html, opened from the disk by an auditor without a network: it says of bundles what `verify.py` says."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from audit.offline import verify_page
from audit.verify import Options, Source, Verification
from tests.audit.bundles import Bundle, bundle_of
from tests.audit.cases import FAMILIES, disclosed, files_changed, filtered, sound, tampered
from tests.audit.test_verify_in_javascript import plain
from tests.audit.written import Written, a_log
from tests.browser.alone import Alone

pytestmark = pytest.mark.browser
STATES = {"ok": "ok", "open": "left to you", "failed": "failed"}


@pytest.fixture(scope="module")
def log() -> Written:
    return a_log()


@pytest.fixture
def alone(chromium: Browser, tmp_path: Path) -> Iterator[Alone]:
    page = tmp_path / "verify.html"
    page.write_bytes(verify_page())
    opened = Alone(chromium, page)
    yield opened
    assert opened.close() == []


def give(page: Page, place: Path) -> None:
    page.locator("[data-folder]" if place.is_dir() else "[data-archive]").set_input_files(place)
    expect(page.locator(".end")).to_be_visible()


def shown(page: Page) -> dict[str, tuple[str, list[str]]]:
    """By question: its state, and what is told."""
    return {
        item.locator("b").inner_text(): (item.locator(".state").inner_text(), item.locator(".told p").all_inner_texts())
        for item in page.locator(".verdicts > li").all()
    }


def expected(place: Path) -> list[tuple[str, list[str]]]:
    verification = Verification(Source(place), Options())
    verification.run()
    return [(STATES[one.state], list(map(plain, one.texts))) for one in verification.verdicts.values()]


def written(bundle: Bundle, place: Path) -> Path:
    return bundle.archive(place.with_suffix(".zip"), zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("archived", [False, True])
def test_a_good_bundle_passes(alone: Alone, log: Written, tmp_path: Path, archived: bool) -> None:
    bundle = bundle_of(log)
    give(alone.page, bundle.archive(tmp_path / "b.zip") if archived else bundle.folder(tmp_path / "bundle"))
    expect(alone.page.locator(".end")).to_have_text("Nothing is wrong. What is marked is left to you.")
    expect(alone.page.get_by_text("Complete: all 38 records from 0 to 37.")).to_be_visible()


def test_what_the_auditor_knows_is_asked_for_and_held_against_the_bundle(
    alone: Alone, log: Written, tmp_path: Path
) -> None:
    page = alone.page
    give(page, bundle_of(log).archive(tmp_path / "bundle.zip"))
    page.get_by_text("What you know already").click()
    page.get_by_label("Your own policy").fill(log.policy)
    page.get_by_label("A checkpoint that you kept").fill(log.note(20))
    page.get_by_label("A checkpoint that you kept").blur()
    expect(page.locator(".end")).to_have_text("Nothing is wrong.")
    page.get_by_label("The log’s verifier key").fill("rubbish")
    page.get_by_label("The log’s verifier key").blur()
    expect(page.locator(".end")).to_contain_text("What you gave could not be read.")
    page.get_by_label("The log’s verifier key").fill("")
    page.get_by_label("A checkpoint that you kept").fill(a_log().note(20))
    page.get_by_label("A checkpoint that you kept").blur()
    expect(page.locator(".end")).to_contain_text("This bundle is not what it says.")


def test_the_checkpoint_can_be_kept(alone: Alone, log: Written, tmp_path: Path) -> None:
    give(alone.page, bundle_of(log).archive(tmp_path / "bundle.zip"))
    with alone.page.expect_download() as saved:
        alone.page.get_by_role("button", name="Save the checkpoint").click()
    assert Path(saved.value.path()).read_text() == log.note()


def test_it_says_what_the_program_says(alone: Alone, log: Written, tmp_path: Path) -> None:
    """One of many of each kind; all of them are compared outside of a browser."""
    assert {sound, tampered, filtered, disclosed, files_changed} <= set(FAMILIES)
    for family in FAMILIES:
        cases = [case for case in family(log) if not case[2]]
        for number, (name, bundle, _) in enumerate(cases[:: max(1, len(cases) // 4)]):
            place = written(bundle, tmp_path / f"{family.__name__} {number}")
            if "manifest.json" not in bundle.files or "manifest" in name:
                continue
            alone.page.reload()
            give(alone.page, place)
            told = [(state, list(map(plain, texts))) for state, texts in shown(alone.page).values()]
            assert told == expected(place), name


@pytest.mark.parametrize("content", [b"", b"rubbish" * 100])
def test_what_is_no_bundle_is_said_to_be_none(alone: Alone, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rubbish.zip").write_bytes(content)
    give(alone.page, tmp_path / "rubbish.zip")
    expect(alone.page.locator(".end")).to_contain_text("This could not be read as a bundle.")


def test_a_dropped_file_is_read(alone: Alone, log: Written, tmp_path: Path) -> None:
    alone.drop(bundle_of(log).archive(tmp_path / "bundle.zip"))
    expect(alone.page.locator(".end")).to_have_text("Nothing is wrong. What is marked is left to you.")


def test_texts_of_a_bundle_are_inert(alone: Alone, log: Written, tmp_path: Path) -> None:
    bundle = bundle_of(log)
    bundle.seal(made_by="<img src=x onerror=alert(1)>\u202egnp.exe")
    give(alone.page, bundle.archive(tmp_path / "bundle.zip"))
    expect(alone.page.get_by_text("by <img src=x onerror=alert(1)>U+202Egnp.exe")).to_be_visible()
    assert alone.page.locator("img").count() == 0


@pytest.mark.parametrize("width", [1440, 390])
def test_it_is_accessible_and_fits(
    chromium: Browser, log: Written, tmp_path: Path, screenshots: Path, width: int
) -> None:
    page, bundle, found = tmp_path / "verify.html", bundle_of(log), []
    page.write_bytes(verify_page())
    opened = Alone(chromium, page, width=width)
    found += opened.judge("verify-page", screenshots)
    opened.page.get_by_text("What you know already").click()
    give(opened.page, bundle.archive(tmp_path / "bundle.zip"))
    found += opened.judge("verify-page-good", screenshots)
    bundle.leaves = [leaf[:-1] if at == 20 else leaf for at, leaf in enumerate(bundle.leaves)]
    give(opened.page, bundle.archive(tmp_path / "tampered.zip"))
    expect(opened.page.locator(".end")).to_contain_text("First bad record: 20")
    found += opened.judge("verify-page-bad", screenshots)
    assert found + opened.close() == []


def test_the_page_is_always_the_same_and_loads_nothing() -> None:
    page = verify_page().decode()
    verify_page.cache_clear()
    assert verify_page().decode() == page
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page
