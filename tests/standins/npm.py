"""Packages of npm that stand in for other sides, where Node is there. They are not kept."""

import shutil
import subprocess
from pathlib import Path

import pytest


def installed(folder: Path, *packages: str) -> Path:
    """The folder of packages. Skips the test where there is no Node, or npm gives none."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node is not installed")
    install = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=1", *packages]
    try:
        subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=180)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm gives no packages here: {(error.stderr or b'')[-300:].decode(errors='replace')}")
    return folder / "node_modules"
