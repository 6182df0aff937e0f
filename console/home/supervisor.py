"""Starts the whole product on one machine, keeps it running, and stops it in order."""

import contextlib
import importlib
import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import psycopg

from console.home.children import Program, Roster
from console.home.cluster import DidNotStart
from console.home.embedded import Postgres, Valkey, provision, start_postgres, start_valkey, watch_schema
from console.home.keys import make_keys
from console.home.logstream import LogStream
from console.home.places import Occupied, occupy, open_state, private_file
from console.home.processes import (
    DATABASE,
    Process,
    command,
    environment,
    inherited,
    manage,
    spawn,
    stand_in_port,
    witness_port,
)
from console.home.provision import APP
from console.home.readiness import health, listens, port_is_busy
from console.home.upkeep import Child, Running, ending

PROGRAMS: tuple[Process, ...] = ("signer", "sequencer", "web", "worker", "door", "beat", "publisher")
# New work stops coming before those who do it are asked to finish; what they write to goes last.
STOP_ORDER = (
    "web",
    "beat",
    "worker",
    "door",
    "publisher",
    "witness",
    "stand-in",
    "sequencer",
    "signer",
    "valkey",
    "postgres",
)
PATIENCE = {"web": 7.0, "door": 20.0}  # the door may be waiting for the answer to something it has sent
READY_WITHIN = 120.0
PORT = 8000
LAUNCHER = "examples.standins.launcher"
STAND_IN = "stand-in"
WITNESS = "examples.demo.witness_program"


class Refusal(Exception):
    """One sentence for the person at the terminal."""


class Stopped(Exception):
    """A person or the system asked us to end."""


class Supervisor:
    def __init__(self, state: Path, *, port: int | None, demo: bool, out: TextIO) -> None:
        """Without a `port`, that of the first start on this state."""
        self.state = open_state(state)
        self.port = port or known_port(self.state) or PORT
        self.demo = demo
        self.stream = LogStream(out)
        self.roster = Roster(self.state / "children.json")
        self.children: dict[str, Child] = {}
        self.stand_ins: dict[str, int] = {}  # name → port
        self.asked_to_stop = False

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def run(self) -> None:
        """Returns after a clean stop; raises Refusal when it cannot start."""
        refuse_busy_port(self.port)
        with self.holding_state(), self.heeding_signals():
            try:
                self.keep_port()
                self.start()
                while True:
                    self.watch()
            except Stopped:
                self.stream.say("up", "stopping")
            except DidNotStart as reason:
                raise Refusal(str(reason)) from reason
            finally:
                self.stop()

    def keep_port(self) -> None:
        """An address is for good: the log's name and the passkeys are made of it."""
        kept = int(private_file(self.state / "port", lambda: str(self.port)))
        if kept != self.port:
            raise Refusal(f"What is in {self.state} belongs to http://localhost:{kept}, its log and passkeys too:"
                          f" leave --port out, or give another directory with --state.")  # fmt: skip

    @contextlib.contextmanager
    def holding_state(self) -> Iterator[None]:
        try:
            hold = occupy(self.state / "lock")
        except Occupied:
            raise Refusal(f"Another `up` is running on {self.state}: stop it, or give another with --state.") from None
        with hold:
            self.roster.end_leftovers()
            yield

    @contextlib.contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """A handler sets a flag only: an exception in the middle of a start could lose a child from sight."""

        def ask(*_: object) -> None:
            self.asked_to_stop = True

        kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {kind: signal.signal(kind, ask) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def start(self) -> None:
        self.stream.say("up", f"starting; data and logs of the servers are in {self.state}")
        make_keys(self.state)
        self.launch("postgres", lambda: start_postgres(self.state))
        self.launch("valkey", lambda: start_valkey(self.state))
        provision(self.postgres, DATABASE)
        self.once("migrate", "--verbosity", "0", process="migrate")
        watch_schema(self.postgres, DATABASE)
        forget_hearts(self.postgres)
        if self.demo:
            self.launch_stand_ins()
            self.launch_witness()
        for name in PROGRAMS:
            self.launch_program(name, command(name, self.port, self.state), self.environment(name))
        self.wait_until_ready()
        if self.demo:
            self.once("seed_demo", *(f"--{name}=http://127.0.0.1:{port}" for name, port in self.stand_ins.items()))
        else:
            self.once("setup_link", label="")
        self.stream.plain(f"ready {self.origin}")

    @property
    def postgres(self) -> Postgres:
        running = self.children["postgres"].running
        assert isinstance(running, Postgres)
        return running

    @property
    def valkey(self) -> Valkey:
        running = self.children["valkey"].running
        assert isinstance(running, Valkey)
        return running

    def environment(self, process: Process) -> dict[str, str]:
        return environment(self.state, self.postgres, self.valkey, origin=self.origin, process=process, demo=self.demo)

    def launch(self, name: str, start: Callable[[], Running]) -> None:
        self.heed()
        running = start()
        self.children[name] = Child(name, start, running)

    def launch_program(self, name: str, arguments: list[str], env: dict[str, str]) -> None:
        def start() -> Program:
            program = Program(self.spawn(name, arguments, env), PATIENCE.get(name, 10.0))
            self.roster.note(program.process.pid, arguments)
            return program

        self.launch(name, start)

    def spawn(self, name: str, arguments: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        process = spawn(arguments, env, output=subprocess.PIPE)
        assert process.stdout is not None
        self.stream.follow(name, process.stdout)
        return process

    def launch_stand_ins(self) -> None:
        """The demo's stand-ins for outside systems: strangers to the product, so they are told nothing."""
        if importlib.util.find_spec(LAUNCHER) is not None:
            launcher = importlib.import_module(LAUNCHER)
            for name in launcher.SERVERS:
                self.stand_ins[name] = stand_in_port(self.state, f"{STAND_IN}-{name}")
                arguments = launcher.command(self.state, self.stand_ins[name], name)
                self.launch_program(f"{STAND_IN}-{name}", arguments, inherited(os.environ))

    def launch_witness(self) -> None:
        """The demo's auditor, who would run it elsewhere. It is told nothing either."""
        if importlib.util.find_spec(WITNESS) is not None:
            arguments = importlib.import_module(WITNESS).command(
                self.state, witness_port(self.state), f"localhost:{self.port}/1"
            )
            self.launch_program("witness", arguments, inherited(os.environ))

    def once(self, *arguments: str, process: Process = "command", label: str | None = None) -> None:
        """Runs a management command to its end; what it prints is shown."""
        name = arguments[0]
        label = name if label is None else label
        program = Program(self.spawn(label, manage(*arguments), self.environment(process)))
        try:
            while program.process.poll() is None:
                self.watch()
        finally:
            program.stop()
            self.stream.catch_up(label)
        if program.process.returncode:
            raise Refusal(f"`{name}` failed (exit {program.process.returncode}); its lines above say why.")

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not all((found := self.readiness()).values()):
            if time.monotonic() > deadline:
                missing = ", ".join(name for name, ready in found.items() if not ready)
                raise Refusal(f"Not ready after {READY_WITHIN:.0f} seconds: {missing}.")
            self.watch()

    def readiness(self) -> dict[str, bool]:
        return {**health(self.port), **{f"{STAND_IN} {name}": listens(port) for name, port in self.stand_ins.items()}}

    def watch(self) -> None:
        """A tenth of a second of a supervisor's life."""
        self.heed()
        for child in self.children.values():
            self.look_after(child)
        time.sleep(0.1)

    def heed(self) -> None:
        if self.asked_to_stop:
            raise Stopped

    def look_after(self, child: Child) -> None:
        code = child.running.process.poll()
        if code is None:
            return
        now = time.monotonic()
        if child.due is None:
            child.delay = child.next_delay(now)
            child.due = now + child.delay
            self.stream.say("up", f"{child.name} ended ({ending(code)}); starting it again in {child.delay:.1f} s")
        elif now >= child.due:
            self.restart(child)

    def restart(self, child: Child) -> None:
        child.due = None
        child.started = time.monotonic()
        child.running.stop()
        try:
            child.running = child.start()
        except DidNotStart as reason:
            self.stream.say("up", str(reason))

    def stop(self) -> None:
        for place in STOP_ORDER:
            for name in [name for name in self.children if name == place or name.startswith(f"{place}-")]:
                self.children.pop(name).running.stop()
                self.stream.catch_up(name)


def forget_hearts(postgres: Postgres) -> None:
    """What beat before the last stop would count as ready for half a minute."""
    with psycopg.connect(postgres.url(APP, DATABASE)) as connection:
        connection.execute("DELETE FROM home_heartbeat")


def known_port(state: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        return int((state / "port").read_text())
    return None


def refuse_busy_port(port: int) -> None:
    if port_is_busy(port):
        raise Refusal(f"Port {port} is in use by another program: stop that, or choose another with --port.")
