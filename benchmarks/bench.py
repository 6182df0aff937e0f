"""An installation of one's own for a benchmark: PostgreSQL that keeps its promises (fsync on), Valkey, and the
product's processes, all in a directory that is gone afterwards. This process itself becomes one that may sign, as
the web process does."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from console.home.children import Program, spawn, wait_until
from console.home.embedded import Postgres, Valkey, provision, start_postgres, start_valkey
from console.home.keys import make_keys
from console.home.processes import DATABASE, ROOT, Process, command, environment, manage, python
from console.home.readiness import free_port

PATIENCE = 60.0  # seconds for anything that should take a moment


class CouldNotMeasure(Exception):
    """With what the process in question said last."""


def say(text: str) -> None:
    """Progress, with the time and the load that the figures are to be read with."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"[{time.strftime('%H:%M:%S')} load {load}] {text}", file=sys.stderr, flush=True)


class Heard:
    """What a child tells on its standard output: lines `NANOSECONDS WHAT`, each WHAT once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._times: dict[str, int] = {}
        self._news = threading.Condition()
        threading.Thread(target=self._listen, args=(stream,), daemon=True).start()

    def wait(self, what: str, patience: float = PATIENCE) -> int:
        """When it happened, by CLOCK_MONOTONIC. Raises CouldNotMeasure when it does not."""
        with self._news:
            if not self._news.wait_for(lambda: what in self._times, patience):
                raise CouldNotMeasure(f"Not within {patience:g} seconds: {what}")
            return self._times.pop(what)

    def wait_beginning(self, word: str) -> str:
        """The rest of the next line that begins with this word."""
        with self._news:
            found = self._news.wait_for(lambda: next((w for w in self._times if w.startswith(word)), None), PATIENCE)
            if not found:
                raise CouldNotMeasure(f"Nothing was said of {word}")
            del self._times[found]
        return str(found).removeprefix(word).strip()

    def _listen(self, stream: IO[bytes]) -> None:
        for line in stream:
            at, _, what = line.decode().strip().partition(" ")
            if not at.isdecimal():  # a farewell of the program itself
                continue
            with self._news:
                self._times[what] = int(at)
                self._news.notify_all()


@dataclass
class Bench:
    state: Path
    postgres: Postgres
    valkey: Valkey
    closing: contextlib.ExitStack
    port: int = field(default_factory=free_port)
    programs: dict[str, Program] = field(default_factory=dict)

    def environment(self, process: Process) -> dict[str, str]:
        origin = f"http://localhost:{self.port}"
        ours = environment(self.state, self.postgres, self.valkey, origin=origin, process=process)
        return {**ours, "COUNTERSIGN_ALLOWED_NETWORKS": "127.0.0.1/32"}  # where the upstream is

    def start(self, *names: Process) -> None:
        """The product's processes, as `up` starts them; returns once each has told that it works."""
        for name in names:
            self._run(command(name, self.port, self.state), self.environment(name), name)
        from console.home.models import Heartbeat  # noqa: PLC0415 - Django is set up by now

        if not wait_until(lambda: Heartbeat.objects.filter(process__in=names).count() == len(names), patience=PATIENCE):
            raise CouldNotMeasure("\n".join(f"{name} is not ready: {self.said(name)}" for name in names))

    def start_web(self) -> None:
        """Returns once it answers."""
        self._run(command("web", self.port, self.state), self.environment("web"), "web")
        if not wait_until(lambda: listens(self.port), patience=PATIENCE):
            raise CouldNotMeasure(f"web is not ready: {self.said('web')}")

    def start_signed(self) -> None:
        """Sequencer and signer; returns once the first tree is signed."""
        from audit.models import Checkpoint  # noqa: PLC0415 - Django is set up by now

        for name in ("signer", "sequencer"):
            self._run(command(name, self.port, self.state), self.environment(name), name)
        if not wait_until(lambda: Checkpoint.objects.exists(), patience=PATIENCE):
            raise CouldNotMeasure(f"Nothing is signed: {self.said('sequencer')} {self.said('signer')}")

    def run(self, name: str, arguments: list[str], more: Mapping[str, str] | None = None) -> None:
        """A program of the benchmarks' own, which tells nothing."""
        self._run(arguments, {**self.environment("worker"), **(more or {})}, name)

    def stop(self, name: str) -> None:
        self.programs[name].stop()

    def listen_to(self, name: str, *arguments: str, more: Mapping[str, str] | None = None) -> Heard:
        """A program of the benchmarks' own, and what it tells."""
        environment = {**self.environment("worker"), **(more or {})}
        process = self._run(python(*arguments), environment, name, output=subprocess.PIPE)
        assert process.stdout is not None
        return Heard(process.stdout)

    def said(self, name: str) -> str:
        return (self.state / f"{name}.log").read_text(errors="replace")[-2000:]

    def _run(
        self, arguments: list[str], environment: dict[str, str], name: str, output: int | None = None
    ) -> subprocess.Popen[bytes]:
        log = self.closing.enter_context((self.state / f"{name}.log").open("wb"))
        process = spawn(arguments, env=environment, cwd=ROOT, output=output or log, errors=log)
        self.programs[name] = Program(process)
        self.closing.callback(self.programs[name].stop)
        return process


@contextlib.contextmanager
def running() -> Iterator[Bench]:
    """Up, migrated, and Django set up in this process; all of it is ended and removed on the way out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the way out is taken
    state = Path(tempfile.mkdtemp(prefix="cs-bench-"))
    with contextlib.ExitStack() as closing:
        closing.callback(shutil.rmtree, state, ignore_errors=True)
        postgres = start_postgres(state)
        closing.callback(postgres.stop)
        valkey = start_valkey(state)
        closing.callback(valkey.stop)
        make_keys(state)
        provision(postgres, DATABASE)
        bench = Bench(state, postgres, valkey, closing)
        migrate(bench)
        become_web(bench)
        yield bench


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def migrate(bench: Bench) -> None:
    done = subprocess.run(manage("migrate", "-v0"), env=bench.environment("migrate"), cwd=ROOT, capture_output=True,
                          text=True, check=False)  # fmt: skip
    if done.returncode:
        raise CouldNotMeasure(f"The database could not be made: {done.stderr[-2000:]}")


def become_web(bench: Bench) -> None:
    os.environ.update(bench.environment("web"), DJANGO_SETTINGS_MODULE="console.settings")
    import django  # noqa: PLC0415 - it reads the environment that was just made

    django.setup()


def service_versions(bench: Bench) -> dict[str, str]:
    import redis  # noqa: PLC0415 - not before it is known to be installed
    from django.db import connection  # noqa: PLC0415 - Django is set up by now

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row = cursor.fetchone()
    with redis.Redis(unix_socket_path=str(bench.valkey.socket)) as broker:
        information: dict[str, object] = broker.info("server")
    valkey = information.get("valkey_version") or information["redis_version"]
    return {"postgresql": str(row[0] if row else ""), "valkey": str(valkey)}
