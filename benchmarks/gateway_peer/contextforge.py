"""IBM ContextForge (`mcp-contextforge-gateway`) with one REST tool, as its documents start it: a SQLite of its own,
tokens asked for, no plug-ins."""

import http.client
import os
import subprocess
from pathlib import Path

from benchmarks.bench import Bench, CouldNotMeasure, listens
from benchmarks.caller import Caller
from benchmarks.peers import python_of
from console.home.children import wait_until
from console.home.readiness import free_port

NAME = "contextforge"
PATIENCE = 180.0  # it makes its tables first
WHO = "admin@example.com"
OBVIOUS = "An-obvious-1-value-of-a-benchmark"
SETTINGS = {
    "JWT_SECRET_KEY": OBVIOUS, "AUTH_ENCRYPTION_SECRET": OBVIOUS, "BASIC_AUTH_PASSWORD": OBVIOUS,
    "PLATFORM_ADMIN_EMAIL": WHO, "PLATFORM_ADMIN_PASSWORD": OBVIOUS, "DEFAULT_USER_PASSWORD": OBVIOUS,
    "CACHE_TYPE": "memory", "MCPGATEWAY_UI_ENABLED": "false", "LOG_LEVEL": "ERROR", "PLUGINS_ENABLED": "false",
    "SSRF_ALLOW_LOCALHOST": "true", "SSRF_ALLOW_PRIVATE_NETWORKS": "true", "ENVIRONMENT": "development",
    "RATE_LIMIT_MEDIUM_RPM": "1000000", "RATE_LIMIT_MEDIUM_BURST": "1000000",
    "VALIDATION_MAX_REQUESTS_PER_MINUTE": "1000000",
}  # fmt: skip


def start(bench: Bench, upstream: str) -> Caller:
    """A connection to it, with the tool `note` there. Raises NotInstalled or CouldNotMeasure."""
    binaries, port = python_of("gateway_peer", bench.state).parent, free_port()
    database = {"DATABASE_URL": f"sqlite:///{bench.state / 'contextforge.db'}"}
    given = SETTINGS | database
    bench.run(NAME, [str(binaries / "mcpgateway"), "--host", "127.0.0.1", "--port", str(port)], given)
    if not wait_until(lambda: listens(port), patience=PATIENCE):
        raise CouldNotMeasure(f"ContextForge does not start: {bench.said(NAME)}")
    headers = {"Authorization": f"Bearer {_token(binaries, given)}", "Content-Type": "application/json",
               "Accept": "application/json, text/event-stream"}  # fmt: skip
    caller = Caller(http.client.HTTPConnection("127.0.0.1", port), headers)
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    tool = {"name": "note", "url": upstream, "description": "Leave a note", "integration_type": "REST",
            "request_type": "POST", "input_schema": schema}  # fmt: skip
    caller.send("POST", "/tools", {"tool": tool, "team_id": None})
    return caller


def _token(binaries: Path, given: dict[str, str]) -> str:
    make = [str(binaries / "python"), "-m", "mcpgateway.utils.create_jwt_token", "--username", WHO, "--exp", "600",
            "--secret", OBVIOUS]  # fmt: skip
    done = subprocess.run(make, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CouldNotMeasure(f"ContextForge makes no token: {done.stderr[-500:]}")
    return done.stdout.strip().splitlines()[-1]
