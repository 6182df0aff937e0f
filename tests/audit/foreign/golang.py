"""Go and its checksum database's library, from Debian: another hand's implementation of the same specifications."""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("check.go")
LIBRARIES = Path("/usr/share/gocode")
PACKAGES = ["golang-go", "golang-golang-x-mod-dev"]


def build(place: Path) -> Path:
    """Without a network: Debian brings the library's source."""
    with (Path(tempfile.gettempdir()) / "countersign-test-go.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # apt serves one at a time
        go = found() or from_debian()
    program = place / "check"
    environment = {**os.environ, "GOPATH": str(LIBRARIES), "GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0",
                   "GOCACHE": str(place / "cache"), "GOPROXY": "off"}  # fmt: skip
    subprocess.run([go, "build", "-o", str(program), str(PROGRAM)], env=environment, check=True)
    return program


def found() -> str | None:
    if not (LIBRARIES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        return None
    return shutil.which("go") or next(map(str, sorted(Path("/usr/lib").glob("go-*/bin/go"))), None)


def from_debian() -> str:
    """Fails loudly where Debian's packages cannot be had: these checks are not to be left out unnoticed."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", "-q", *arguments], env=env, check=True)
    go = found()
    assert go is not None, f"{' and '.join(PACKAGES)} were installed, and there is no Go."
    return go


def answers(program: Path, questions: Iterable[dict[str, Any]]) -> list[str]:
    """One for each: `accept`, or `refuse` and why."""
    given = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([str(program)], input=given, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
