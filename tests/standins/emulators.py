"""Vercel's `emulate`: stateful programs that behave as well-known services do, written by others."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from console.home.readiness import free_port
from examples.standins.launcher import wait_ready
from tests.standins.npm import installed

PACKAGE = "emulate@0.11.2"  # of this very name others are something else
TOKEN = "test_token_admin"  # which it knows


@contextmanager
def emulators(folder: Path, *services: str) -> Iterator[Mapping[str, str]]:
    """Their base URLs by name, each with a world of its own that is empty but for an admin."""
    program = installed(folder, PACKAGE) / ".bin/emulate"
    with (folder / "log").open("w") as log:
        processes = {}
        for service in services:
            port = free_port()
            command = ["node", str(program), "start", "--port", str(port), "--service", service]
            environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            processes[service] = process, f"http://127.0.0.1:{port}"
        try:
            for process, url in processes.values():
                wait_ready(url, process)
            yield {service: url for service, (_, url) in processes.items()}
        finally:
            for process, _ in processes.values():
                process.kill()
                process.wait()
