"""A witness for newcomers, on the same machine: an auditor would run it elsewhere (docs/witness.md)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(ROOT / "audit" / "witness.py")
NAME = "witness.demo/auditor"


def command(state: Path, port: int, origin: str) -> list[str]:
    """The command line to start it. The first time its key is made, it is told of the log's key, and a file tells the
    publisher of it."""
    place, publishing = str(state / "witness"), state / "publishing.yaml"
    if not publishing.exists():
        vkey = told("-I", PROGRAM, "init", "--name", NAME, "--state", place).strip()
        for key in told("-m", "audit.signer", "init", "--state", str(state / "signer"), "--origin", origin).split():
            told("-I", PROGRAM, "add-log", "--state", place, key)
        publishing.write_text(f"witnesses:\n  - key: {vkey}\n    url: http://127.0.0.1:{port}\n")
    return [sys.executable, "-I", PROGRAM, "serve", "--state", place, "--listen", f"127.0.0.1:{port}"]


def told(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout
