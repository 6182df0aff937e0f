"""The Pythons of the programs that we are compared with. Each is made once, beside the project's own, from a hashed
list; nothing of the product runs in it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
STAMP = "built-from"  # written last: what was cut short is made again


class NotInstalled(Exception):
    """With the installer's last words."""


def python_of(name: str, spare: Path) -> Path:
    """Of the peer whose list is in the folder of this name. Where the checkout cannot be written to, it is made in
    `spare`."""
    lock = Path(__file__).with_name(name) / "requirements.txt"
    home = (CHECKOUT if os.access(CHECKOUT, os.W_OK) else spare) / f".venv-{name.replace('_', '-')}"
    python, stamp = home / "bin" / "python", home / STAMP
    made_from = f"{sys.version_info.major}.{sys.version_info.minor} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    if not (stamp.exists() and stamp.read_text() == made_from and python.exists()):
        shutil.rmtree(home, ignore_errors=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
        for command in ([sys.executable, "-m", "venv", str(home)], install):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise NotInstalled(done.stderr.strip()[-500:])
        stamp.write_text(made_from)
    return python
