"""The Python of the packages that the log is compared with. It is made once, beside the project's own, from a hashed
list; `models` and `program` run in it, and nothing of the product does."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("requirements.txt")
STAMP = "built-from"  # written last: what was cut short is made again


class NotInstalled(Exception):
    """With the installer's last words."""


def python_of_peers(spare: Path) -> Path:
    """Where the checkout cannot be written to, it is made in `spare`."""
    home = (CHECKOUT if os.access(CHECKOUT, os.W_OK) else spare) / ".venv-audit-peers"
    python, stamp = home / "bin" / "python", home / STAMP
    made_from = f"{sys.version_info.major}.{sys.version_info.minor} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    if not (stamp.exists() and stamp.read_text() == made_from and python.exists()):
        shutil.rmtree(home, ignore_errors=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
        for command in ([sys.executable, "-m", "venv", str(home)], install):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise NotInstalled(done.stderr.strip()[-500:])
        stamp.write_text(made_from)
    return python
