"""The real witness as a program of its own, which sees nothing of the project."""

import contextlib
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from audit import witness as program
from tests.audit.growing import Log, origin_hash

PROGRAM = Path(__file__).resolve().parents[2] / "audit" / "witness.py"
NAME = "witness.example/w1"


def command(*arguments: str | Path) -> list[str]:
    """`-I`: neither our path nor our current directory reaches it."""
    return [sys.executable, "-I", str(PROGRAM), *map(str, arguments)]


def run(*arguments: str | Path) -> str:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


class Running:
    def __init__(self, state: Path, *options: str, port: int = 0) -> None:
        listen = command("serve", "--state", state, "--listen", f"127.0.0.1:{port}", *options)
        with (state / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(listen, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        match = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)\n", said)
        assert match, (said, (state / "stderr").read_text())
        self.url = f"http://{match[1]}"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Witness:
    """With a state directory; runs from `start` on."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.vkeys = run("init", "--name", NAME, "--state", state, *options).split()

    def watch(self, vkey: str, origin: str = "") -> None:
        """As the command does, but here: starting it takes longer than the rest of most tests."""
        key = program.Key.parse(vkey)
        program.Memory(self.state).set_key(origin or key.name, key, trusted=True)

    def forget(self, vkey: str) -> None:
        key = program.Key.parse(vkey)
        program.Memory(self.state).set_key(key.name, key, trusted=False)

    def size(self, origin: str) -> int:
        return program.Memory(self.state).row(origin).size

    @contextlib.contextmanager
    def start(self, *options: str) -> Iterator[Running]:
        running = Running(self.state, *options)
        try:
            yield running
        finally:
            running.end()


def request(old: int, proof: Sequence[bytes], note: str) -> bytes:
    lines = "".join(f"{b64encode(one).decode()}\n" for one in proof)
    return f"old {old}\n{lines}\n{note}".encode()


def submit(url: str, old: int, proof: Sequence[bytes], note: str) -> httpx.Response:
    return post(url, request(old, proof, note))


def post(url: str, body: bytes) -> httpx.Response:
    return httpx.post(f"{url}/add-checkpoint", content=body, timeout=60, trust_env=False)


def accepted(url: str, log: Log, old: int, size: int) -> str:
    answer = submit(url, old, log.proof(old, size), log.note(size))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8"), answer.text
    return answer.text


def remembered(url: str, log: Log) -> httpx.Response:
    return httpx.get(f"{url}/{origin_hash(log.origin)}/checkpoint", trust_env=False)
