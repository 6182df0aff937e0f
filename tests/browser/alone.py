"""A page opened from the disk, in a browser that has no network."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, Page

from tests.browser.window import AXE, THEMES


class Alone:
    """What it tried to load, and what went wrong in it, is told at the end."""

    def __init__(self, browser: Browser, file: Path, *, width: int = 1440) -> None:
        self.faults, self.width = list[str](), width
        height = 900 if width > 720 else 844
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            offline=True,
            reduced_motion="reduce",
            timezone_id="Europe/Vienna",
        )
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.on("console", lambda said: self.faults.append(said.text))
        self.page.on("request", lambda asked: self._note(asked.url))
        self.page.on("dialog", self._dismiss)
        self.file = file
        self.page.goto(file.as_uri())

    def _dismiss(self, dialog: Dialog) -> None:
        self.faults.append(dialog.message)
        dialog.dismiss()

    def _note(self, url: str) -> None:
        if url != self.file.as_uri() and not url.startswith("blob:"):
            self.faults.append(f"It asked for {url}")

    def drop(self, path: Path) -> None:
        """As from the desktop."""
        cdp, box = self.context.new_cdp_session(self.page), self.page.locator("[data-drop]").bounding_box()
        assert box
        place: dict[str, Any] = {"x": box["x"] + 20, "y": box["y"] + 20}
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            cdp.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})

    def judge(self, name: str, directory: Path) -> list[str]:
        """Flaws in both themes, and a picture of each."""
        wide = "document.documentElement.scrollWidth > innerWidth"
        found = [f"{name} is wider than the window"] if self.page.evaluate(wide) else []
        self.page.evaluate(AXE)
        for theme, rules in THEMES:
            self.page.emulate_media(color_scheme=theme)
            for one in self.page.evaluate("async (rules) => (await axe.run(rules)).violations", rules):
                found += [f"{name} {theme}: {one['id']}: {node['html'][:160]}" for node in one["nodes"][:3]]
            self.page.screenshot(path=directory / f"{name}-{self.width}-{theme}.png", full_page=True)
        self.page.emulate_media(color_scheme="light")
        return found

    def close(self) -> list[str]:
        self.context.close()
        return self.faults
