#!/usr/bin/env python3
"""Countersign's commands: `python3 manage.py up --demo`, `python3 manage.py test`. Needs only Python 3.11.

Until Django is at hand this file is standard library only: it makes `.venv` beside itself from the hashed
lists in `requirements/`, and starts again with that environment's Python.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.sha256"
PRODUCT = ROOT / "requirements" / "product.txt"
DEVELOPMENT = ROOT / "requirements" / "development.txt"  # contains the product's


def main(arguments: list[str]) -> None:
    if tuple(sys.version_info) < (3, 11):
        sys.exit(f"Countersign needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    testing = arguments[:1] == ["test"]
    if not equipped(testing):
        install(DEVELOPMENT if testing else PRODUCT)
        if not running_in_venv():
            os.execv(VENV_PYTHON, [str(VENV_PYTHON), __file__, *arguments])
        importlib.invalidate_caches()
    if testing:
        sys.exit(run_tests(arguments[1:]))
    run_command()


def equipped(testing: bool) -> bool:
    modules = ["django", "pytest"] if testing else ["django"]
    return all(importlib.util.find_spec(module) for module in modules)


def running_in_venv() -> bool:
    return pathlib.Path(sys.prefix).resolve() == VENV.resolve()


def install(lock: pathlib.Path) -> None:
    """Does nothing when the environment already holds this list, or the larger one that contains it."""
    if not VENV_PYTHON.exists():
        make_venv()
    elif installed() in {digest(lock), digest(DEVELOPMENT)} and not running_in_venv():
        return
    print(f"Installing {lock.relative_to(ROOT)} into {VENV} …", file=sys.stderr)
    pip = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    run([*pip, "--require-hashes", "--requirement", str(lock)], "pip could not install what Countersign needs")
    STAMP.write_text(digest(lock))


def make_venv() -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            sys.exit(f"This Python lacks its {module} module (on Debian and Ubuntu: apt-get install python3-venv).")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], f"Could not make {VENV}")


def installed() -> str:
    return STAMP.read_text() if STAMP.exists() else ""


def digest(lock: pathlib.Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit("\n".join([f"{failure}:", *done.stdout.strip().splitlines()[-8:]]))


def run_tests(arguments: list[str]) -> int:
    from console.home.testing import main as test  # noqa: PLC0415 - not before the environment exists

    return test(arguments)


def run_command() -> None:
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - the same

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main(sys.argv[1:])
