"""`manage.py test`: finds or installs what the tests need besides Python packages, and runs them."""

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
OTHERS = ("examples.standins", "examples.frameworks")
MOST = 4


def main(arguments: list[str]) -> int:
    long = "--long" in arguments
    extra = [argument for argument in arguments if argument != "--long"]
    os.environ["COUNTERSIGN_CHROMIUM"] = chromium()
    prepare_others()
    codes = [pytest(call) for call in calls(extra, long=long)]
    return next((code for code in codes if code), 0)


def calls(extra: list[str], *, long: bool) -> list[list[str]]:
    """The browser's event loop and the other tests' cannot live in one process, hence two calls of pytest. Whoever says
    more has one call, of what they say."""
    among, thorough = ("", ["--hypothesis-profile=long"]) if long else (" and not long", [])
    if extra:
        return [[*thorough, *extra]]
    return [[*side_by_side(), *thorough, "-m", f"{which}{among}"] for which in ("not browser", "browser")]


def side_by_side() -> list[str]:
    """Each worker has services of its own, hence no more of them than help."""
    if importlib.util.find_spec("xdist") is None:
        return []
    return ["-n", str(min(os.cpu_count() or 1, MOST)), "--dist", "worksteal"]


def pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def prepare_others() -> None:
    """Environments of their own; what is in them is launched as programs and never imported."""
    for others in OTHERS:
        if importlib.util.find_spec(others) is not None:
            importlib.import_module(others).prepare()


def chromium() -> str:
    found = os.environ.get("COUNTERSIGN_CHROMIUM") or on_path()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        found = from_debian()
    return found or from_playwright()


def on_path() -> str | None:
    """One that runs: Ubuntu's package is a stub that only asks for snap."""
    for path in filter(None, map(shutil.which, NAMES)):
        if subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def from_debian() -> str | None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "chromium"]):
        if subprocess.run(["apt-get", "-q", *arguments], env=env, check=False).returncode:
            return None
    return on_path()


def from_playwright() -> str:
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not installed with the product

    with sync_playwright() as playwright:
        return str(Path(playwright.chromium.executable_path))
