"""One person's browser: signed in, with a security key of its own, and everything that went wrong in it."""

import re
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, Response, expect

from approvals.models import Review
from console.accounts.models import User
from tests.services import ORIGIN

PATIENCE = 40_000  # ms; a page that is right is usually there after 200, but a busy machine may stall
HOLD = 750  # ms; the button asks for 600
KEY = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
WATCH = "addEventListener('securitypolicyviolation', (event) => console.error('CSP ' + event.violatedDirective))"
NO_POLLS = "const every = setInterval; window.setInterval = (act, ms) => (ms === 4000 ? 0 : every(act, ms))"
LEAN = {"resultTypes": ["violations"], "preload": False}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], **LEAN}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, **LEAN}
THEMES: tuple[tuple[Literal["light", "dark"], object], ...] = (("light", RULES), ("dark", COLOURS))

# Axe leaves empty ones behind, which htmx would take over into what it swaps in.
UNSTYLE = """() => document.querySelectorAll("[style='']").forEach((one) => one.removeAttribute("style"))"""

AXE = Path(str(axe_playwright_python.__file__)).with_name("axe.min.js").read_text()
expect.set_options(timeout=PATIENCE)


class Window:
    """`polls=False` stops the look that a run page takes every few seconds, so that only the websocket tells news."""

    def __init__(self, browser: Browser, *, width: int = 1440, scripts: bool = True, polls: bool = True) -> None:
        self.width, self.height, self.faults = width, 900 if width > 720 else 844, list[str]()
        self.context: BrowserContext = browser.new_context(
            base_url=ORIGIN,
            viewport={"width": width, "height": self.height},
            java_script_enabled=scripts,
            reduced_motion="reduce",
            timezone_id="Europe/Vienna",
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(WATCH)
        if not polls:
            self.context.add_init_script(NO_POLLS)
        self.page = self.open()
        if scripts:
            self._plug_in_key()

    def open(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda fault: self.faults.append(f"{page.url}: {fault}"))
        page.on("dialog", lambda dialog: self._dismiss(page, dialog))
        page.on("console", lambda said: self._hear(page, said.text))
        page.on("response", self._note_fault)
        return page

    def _dismiss(self, page: Page, dialog: Dialog) -> None:
        self.faults.append(f"{page.url}: {dialog.message}")
        dialog.dismiss()

    def _note_fault(self, got: Response) -> None:
        if got.status >= 500:
            self.faults.append(f"{got.url}: {got.status}")

    def _hear(self, page: Page, text: str) -> None:
        if "Content Security" in text or text.startswith("CSP "):
            self.faults.append(f"{page.url}: {text}")

    def _plug_in_key(self) -> None:
        cdp = self.context.new_cdp_session(self.page)
        cdp.send("WebAuthn.enable", {"enableUI": False})
        cdp.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})

    def seen(self) -> tuple[str, str]:
        """The address and the beginning of what is to be read there."""
        return self.page.url, self.page.locator("body").inner_text()[:2_000]

    # People

    def become(self, username: str) -> "Window":
        """By the demo's switcher, which needs no password."""
        self.page.goto("/account/")
        self.page.locator(".personas > summary").click()
        self.leave_by(self.page.get_by_role("button", name=User.objects.get(username=username).name))
        return self

    def sign_in(self, username: str, password: str, then: str = "/") -> "Window":
        self.page.goto(f"/sign-in/?next={then}")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.leave_by(self.page.get_by_role("button", name="Sign in", exact=True))
        return self

    def leave_by(self, button: Locator) -> None:
        """A click alone does not wait for the next page, and what comes after it would be done to this one."""
        with self.page.expect_navigation():
            button.click()

    def add_passkey(self, password: str) -> "Window":
        """From the account page; whoever is not fresh there proves it by password."""
        self.page.goto("/account/")
        self.leave_by(self.page.get_by_role("link", name="Add a passkey"))
        if "/confirm/" in self.page.url:
            self.page.get_by_label("Password").fill(password)
            self.leave_by(self.page.get_by_role("button", name="Confirm"))
        self.page.get_by_label("Name").fill("Test key")
        self.page.get_by_role("button", name="Add the passkey").click()
        expect(self.page).not_to_have_url(re.compile("/add/"))
        return self

    # Reviews

    def go(self, review: Review) -> Page:
        self.page.goto(f"/reviews/{review.id}/")
        return self.page

    @property
    def bar(self) -> Locator:
        return self.page.get_by_role("region", name="Your decision")

    def hold_to_sign(self) -> None:
        expect(self.page.locator(".htmx-request")).to_have_count(0)
        button = self.page.get_by_role("button", name="Hold to sign").first
        button.hover()
        self.page.mouse.down()
        self.page.wait_for_timeout(HOLD)
        self.page.mouse.up()

    def sign_by_password(self, password: str) -> None:
        opener = re.compile(r"^\s*(Approve|With your password)")
        self.bar.locator("summary").filter(has_text=opener).click()
        self.bar.get_by_label("Your password").fill(password)
        self.bar.get_by_role("button", name="Approve with your password").click()

    def refuse(self, reason: str) -> None:
        self.bar.locator("summary").filter(has_text="Refuse").click()
        self.bar.get_by_label("Why do you refuse?").fill(reason)
        self.bar.get_by_role("button", name="Refuse", exact=True).click()

    # Judging a page

    def flaws(self, options: object) -> list[str]:
        found = self.page.evaluate("async (options) => (await axe.run(options)).violations", options)
        return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"][:3]]

    def overflow(self) -> list[str]:
        """What is wider than the window: a page must never scroll sideways."""
        wide: list[str] = self.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] :
            [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 3).map((e) => 'too wide: ' + e.outerHTML.slice(0, 120))"""
        )
        return wide

    def judge(self, name: str, directory: Path) -> list[str]:
        """Flaws in both themes, and a picture of each. Between themes only colours differ."""
        found = self.overflow()
        self._resize(self.evaluate("document.documentElement.scrollHeight"))  # else what is fixed lies in the middle
        self.page.evaluate(AXE)
        for theme, rules in THEMES:
            self.page.emulate_media(color_scheme=theme)
            found += [f"{theme}: {flaw}" for flaw in self.flaws(rules)]
            self.page.screenshot(path=directory / f"{name}-{self.width}-{theme}.png")
        self.page.emulate_media(color_scheme="light")
        self._resize(self.height)
        self.page.evaluate(UNSTYLE)
        return found

    def _resize(self, height: int) -> None:
        self.page.set_viewport_size({"width": self.width, "height": height})

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def close(self) -> list[str]:
        self.context.close()
        return self.faults
