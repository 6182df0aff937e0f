"""static/js/passkeys.js in a real Chromium with a virtual authenticator: enrol, sign in, confirm, sign a decision."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.cache import cache
from django.test.testcases import LiveServerThread
from playwright.sync_api import Page, expect, sync_playwright

from console.accounts.models import Passkey, User
from console.accounts.passkeys import challenge_for, signing_options, verify_assertion
from tests.accounts.conftest import PASSWORD, acting

pytestmark = pytest.mark.browser

VIRTUAL = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def origin(committed: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # Playwright's own event loop runs in this thread, which Django takes for a view that must not block.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    cache.clear()
    server = LiveServerThread("localhost", StaticFilesHandler)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    settings.ORIGIN, settings.RP_ID = f"http://localhost:{server.port}", "localhost"
    settings.ALLOWED_HOSTS, settings.ALLOW_VIRTUAL_AUTHENTICATORS = ["localhost"], True
    yield settings.ORIGIN
    server.terminate()


@pytest.fixture
def page(origin: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = os.environ.get("COUNTERSIGN_CHROMIUM") or None
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=origin)
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        cdp = page.context.new_cdp_session(page)
        cdp.send("WebAuthn.enable")
        cdp.send("WebAuthn.addVirtualAuthenticator", {"options": VIRTUAL})
        yield page
        browser.close()
    assert faults == []


def test_a_passkey_is_added_signs_in_confirms_and_signs(origin: str, ada: User, page: Page) -> None:
    page.goto("/account/passkeys/add/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()

    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    assert Passkey.objects.get().label == "Work laptop"

    page.goto("/sign-out/")
    page.get_by_role("button", name="Sign out").first.click()
    page.goto("/sign-in/?next=/account/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("cell", name="Work laptop", exact=True)).to_be_visible()

    page.goto("/confirm/passkey/?next=/account/")
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("heading", name="Ada Lovelace")).to_be_visible()

    challenge = challenge_for(b"decision")
    script = "async o => (await import('/static/js/passkeys.js')).sign(o)"
    assertion = page.evaluate(script, signing_options(ada.id, challenge))
    passkey, _ = verify_assertion(assertion, challenge=challenge, actor=acting(ada))
    assert passkey.sign_count > 0


def test_pages_are_accessible(ada: User, page: Page) -> None:
    found = {}
    page.goto("/sign-in/")
    found["sign-in"] = flaws(page)
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    for path in ("/confirm/", "/account/", "/sign-out/"):
        page.goto(path)
        found[path] = flaws(page)
    assert found == {path: [] for path in found}


def flaws(page: Page) -> list[str]:
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in Axe().run(page).response["violations"]]
