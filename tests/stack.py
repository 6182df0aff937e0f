"""The product's real processes on a test's database, to be killed, stopped and started again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from console.home.embedded import start_valkey
from console.home.processes import Process, command, environment, signer_socket, spawn
from tests.services import ORIGIN, services

PATIENCE = 40.0


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE) -> None:
    """Asks every 20 ms: the states that tests wait for live in other processes' commits."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Stack:
    """Processes by name; `extra` is added to their environment."""

    def __init__(self, database: str, directory: Path, **extra: str) -> None:
        self.database, self.directory, self.extra = database, directory, extra
        with services().broker() as broker:
            broker.flushall()  # messages of earlier tests name rows of databases that are gone
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self, process: Process) -> dict[str, str]:
        running = services()
        ours = environment(
            running.state, running.postgres, running.valkey, origin=ORIGIN, database=self.database, process=process
        )
        trusted = {"COUNTERSIGN_ALLOWED_NETWORKS": "127.0.0.0/8", "COUNTERSIGN_ALLOW_VIRTUAL_AUTHENTICATORS": "1"}
        if process == "sequencer":
            # The memory of a signer belongs to one database: each stack has a signer of its own.
            ours["COUNTERSIGN_SIGNER_SOCKET"] = str(signer_socket(self.directory))
        return {**ours, **trusted, **self.extra}

    def start(self, *names: Process) -> None:
        for name in names:
            with self.log(name).open("ab") as log:
                port = int(ORIGIN.rpartition(":")[2])
                self.processes[name] = spawn(command(name, port, self.directory), self.environment(name), output=log)
        for name in names:
            wait_until(lambda name=name: self._is_ready(name), f"{name} is ready: {self.tail(name)}")  # type: ignore[misc]

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def tail(self, name: str) -> str:
        return self.log(name).read_text()[-2000:]

    def _is_ready(self, name: Process) -> bool:
        assert self.processes[name].poll() is None, self.tail(name)
        if name == "web":
            try:
                return httpx.get(f"{ORIGIN}/healthz", timeout=2).is_success
            except httpx.HTTPError:
                return False
        if name == "signer":
            return signer_socket(self.directory).exists()
        return self._has_heart(name)

    def _has_heart(self, name: Process) -> bool:
        with services().superuser(self.database) as connection:
            started = time.time() - (time.monotonic() - self._started(name))
            row = connection.execute(
                "SELECT 1 FROM home_heartbeat WHERE process = %s AND at > to_timestamp(%s)", [name, started]
            ).fetchone()
        return row is not None

    def _started(self, name: str) -> float:
        """Monotonic time of the process's start, from the kernel: a heart of its predecessor does not count."""
        ticks = int(Path(f"/proc/{self.processes[name].pid}/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.monotonic() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))

    def kill(self, *names: str) -> None:
        for name in names:
            process = self.processes.pop(name)
            process.kill()
            process.wait(10)

    def kill_broker(self) -> None:
        services().valkey.process.kill()
        services().valkey.process.wait(10)

    def start_broker(self) -> None:
        services().valkey = start_valkey(services().state)

    def hang_broker(self) -> None:
        services().valkey.process.send_signal(signal.SIGSTOP)

    def release_broker(self) -> None:
        services().valkey.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.kill(*list(self.processes))
        if services().valkey.process.poll() is None:
            self.release_broker()
        else:
            self.start_broker()
