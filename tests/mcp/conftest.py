"""The reference servers of those who wrote the protocol, as their packages come from npm."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.home.readiness import free_port, listens

PACKAGES = ("@modelcontextprotocol/server-everything@2026.8.31", "@modelcontextprotocol/server-filesystem@2026.8.31")


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node is not installed")
    folder = tmp_path_factory.mktemp("servers")
    install = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=1", *PACKAGES]
    try:
        subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=180)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm gives no packages here: {(error.stderr or b'')[-300:].decode(errors='replace')}")
    return folder / "node_modules/@modelcontextprotocol"


@pytest.fixture(scope="session")
def everything(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `server-everything` over HTTP."""
    port = free_port()
    program = ["node", str(node_modules / "server-everything/dist/index.js"), "streamableHttp"]
    log = (tmp_path_factory.mktemp("everything") / "log").open("w")
    process = subprocess.Popen(
        program, env={"PATH": os.environ["PATH"], "PORT": str(port)}, stdout=log, stderr=subprocess.STDOUT
    )
    while not listens(port):
        assert process.poll() is None
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait()
    log.close()
