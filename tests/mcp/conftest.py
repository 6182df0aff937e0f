"""The reference servers of those who wrote the protocol, as their packages come from npm."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.home.readiness import free_port, listens
from tests.standins.npm import installed

PACKAGES = ("@modelcontextprotocol/server-everything@2026.8.31", "@modelcontextprotocol/server-filesystem@2026.8.31")


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("servers"), *PACKAGES) / "@modelcontextprotocol"


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
