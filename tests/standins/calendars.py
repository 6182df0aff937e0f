"""Radicale: calendars over WebDAV, which refuse what does not meet its condition. A program of its own, because it is
under the GPL."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from console.home.readiness import free_port
from examples.standins import prepare
from examples.standins.launcher import wait_ready

USER = ("ana", "a password that it takes, as it takes any")


@contextmanager
def calendars(state: Path) -> Iterator[str]:
    """The base URL of a server with one calendar, at `/ana/team/`."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([
        str(prepare(state)), "-I", "-m", "radicale", "--config", "", "--hosts", f"127.0.0.1:{port}", "--auth-type",
        "none", "--storage-filesystem-folder", str(state / "calendars"), "--logging-level", "error",
    ])  # fmt: skip
    try:
        wait_ready(base_url, process)
        for method, path in (("PROPFIND", "/ana/"), ("MKCALENDAR", "/ana/team/")):
            httpx.request(method, base_url + path, auth=USER, trust_env=False).raise_for_status()
        yield base_url
    finally:
        process.terminate()
        process.wait(timeout=10)
