"""Starts the stand-ins as programs: localstripe for payments, moto for access management."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from examples.standins import prepare

SERVERS = {"payments": "localstripe_server.py", "access": "iam_server.py"}
PAUSE_SECONDS = 0.05


def command(state: Path, port: int, server: str = "payments") -> list[str]:
    """The command line to start one; makes its environment first, which takes some seconds the first time.

    `-I`: neither our PYTHONPATH nor our current directory reaches a program that must not see our code.
    """
    return [str(prepare(state)), "-I", str(Path(__file__).with_name(SERVERS[server])), "--port", str(port)]


def free_port() -> int:
    """A loopback port that was free a moment ago. Another process may take it before you bind."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_ready(base_url: str, process: subprocess.Popen[bytes] | None = None, seconds: float = 20) -> None:
    """Return once something answers there, be it with a refusal.

    Raises TimeoutError, or RuntimeError at once when `process` has ended.
    """
    until = time.monotonic() + seconds
    while not answers(base_url):
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the stand-in ended with code {process.returncode} before it answered")
        if time.monotonic() > until:
            raise TimeoutError(f"nothing answered at {base_url} within {seconds} s")
        time.sleep(PAUSE_SECONDS)


def answers(base_url: str) -> bool:
    try:
        # trust_env=False: a proxy from the environment has no way to our loopback.
        httpx.get(base_url, timeout=2, trust_env=False)
    except httpx.TransportError:
        return False
    return True


@contextmanager
def serving(state: Path, server: str = "payments") -> Iterator[str]:
    """A stand-in of one's own, empty, on a free port, for as long as the block lasts; yields its base URL."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command(state, port, server))
    try:
        wait_ready(base_url, process)
        yield base_url
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
