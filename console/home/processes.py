"""The product's processes: what each is started with and what it is told. For `up`, tests and benchmarks."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal

from console.home import provision
from console.home.children import OURSELVES
from console.home.children import spawn as spawn_child
from console.home.embedded import Postgres, Valkey
from console.home.places import open_state, private_file, socket_directory, spare_user
from console.home.readiness import free_port

Process = Literal["web", "worker", "door", "beat", "sequencer", "signer", "publisher", "command", "migrate"]

ROOT = Path(__file__).resolve().parent.parent.parent
DATABASE = "countersign"

# A child gets these of ours and nothing else: a shell holds credentials that the product should not see.
INHERITED = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "COUNTERSIGN_LOG"}
    | {"COUNTERSIGN_ALLOWED_NETWORKS", "COUNTERSIGN_CHROMIUM", "COUNTERSIGN_PUBLISHING_FILE"}
    | {"COUNTERSIGN_MCP_SERVERS_FILE", "COUNTERSIGN_AUTHENTICATOR_ROOTS_FILE"}
    | {f"COUNTERSIGN_MAIL_{name}" for name in ("HOST", "PORT", "TLS", "FROM", "USER", "PASSWORD_FILE")}
    | {"COUNTERSIGN_MAX_UNANCHORED", "COUNTERSIGN_RETENTION_MONTHS"}
    | {"COUNTERSIGN_SESSION_HOURS", "COUNTERSIGN_SESSION_IDLE_MINUTES"}
)
SIGNING_IN = "COUNTERSIGN_OIDC_"  # with the providers' secrets: for web alone
ROLES: dict[Process, str] = {
    "migrate": provision.MIGRATOR,
    "door": provision.DOOR,
    "sequencer": provision.SEQUENCER,
}

# Said by every worker at every start in a container, where there is often no other user to be.
ROOT_WARNING = "You're running the worker with superuser privileges"

# No process holds both private keys. Whoever can sign for the console cannot unseal, and the reverse.
PUBLIC = ("console_public", "door_public")
KEYS: dict[Process, tuple[str, ...]] = {
    "web": ("secret_key", "console_key", *PUBLIC),
    "worker": ("console_key", *PUBLIC),
    "beat": PUBLIC,
    "sequencer": PUBLIC,
    "publisher": PUBLIC,
    "command": ("console_key", *PUBLIC),
    "door": ("door_key", *PUBLIC),
    "migrate": PUBLIC,
}


def environment(
    state: Path,
    postgres: Postgres,
    valkey: Valkey,
    *,
    origin: str,
    database: str = DATABASE,
    process: Process,
    demo: bool = False,
) -> dict[str, str]:
    """The whole environment of one process, as `console.settings` reads it."""
    state = open_state(state)
    if process == "signer":  # it has keys of its own, and knows of no database
        return {**inherited(os.environ), "PYTHONUNBUFFERED": "1"}
    return {
        **inherited(os.environ),
        **(signing_in() if process == "web" else {}),
        **(demo_environment(state) if demo else {}),
        **{f"COUNTERSIGN_{name.upper()}_FILE": str(state / "keys" / name) for name in KEYS[process]},
        "COUNTERSIGN_STATE": str(state),
        "COUNTERSIGN_ORIGIN": origin,
        "COUNTERSIGN_PROCESS": "command" if process == "migrate" else process,
        "COUNTERSIGN_DATABASE_URL": postgres.url(ROLES.get(process, provision.APP), database),
        "COUNTERSIGN_BROKER_URL": valkey.broker_url,
        "COUNTERSIGN_CHANNEL_URL": valkey.channel_url,
        **({"COUNTERSIGN_SIGNER_SOCKET": str(signer_socket(state))} if process == "sequencer" else {}),
        "PYTHONUNBUFFERED": "1",
    }


def signing_in() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(SIGNING_IN)}


def demo_environment(state: Path) -> dict[str, str]:
    trusted = os.environ.get("COUNTERSIGN_ALLOWED_NETWORKS")
    publishing = Path(os.environ.get("COUNTERSIGN_PUBLISHING_FILE", state / "publishing.yaml"))
    return {
        "COUNTERSIGN_EXTRA_APPS": "examples.demo",
        "COUNTERSIGN_ALLOW_VIRTUAL_AUTHENTICATORS": "1",  # a newcomer may drive it by a program
        # The door speaks to public addresses only, and the stand-ins are on this machine.
        "COUNTERSIGN_ALLOWED_NETWORKS": ",".join(filter(None, (trusted, "127.0.0.1/32"))),
        **({"COUNTERSIGN_PUBLISHING_FILE": str(publishing)} if publishing.exists() else {}),
    }


def stand_in_port(state: Path, name: str) -> int:
    """The same at each start: what was seeded in the first one names it."""
    return int(private_file(state / f"{name}.port", lambda: str(free_port())))


def witness_port(state: Path) -> int:
    """The same at each start, as the publishing file names it."""
    return int(private_file(state / "witness.port", lambda: str(free_port())))


def inherited(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in ours.items() if name in INHERITED or name.startswith("LC_")}


def command(process: Process, port: int, state: Path) -> list[str]:
    if process == "web":
        listening = ["--host", "127.0.0.1", "--port", str(port)]
        manners = ["--log-level", "warning", "--timeout-graceful-shutdown", "5"]
        return python("-m", "uvicorn", "console.asgi:application", *listening, *manners)
    if process == "worker":
        return celery("steps", lanes=4, name="worker")
    if process == "signer":
        place = ["--state", str(state / "signer"), "--socket", str(signer_socket(state))]
        return python("-m", "audit.signer", "serve", "--log", f"localhost:{port}", *place, *signer_user(state))
    return manage(process)


def signer_socket(state: Path) -> Path:
    return socket_directory(open_state(state) / "signing", OURSELVES) / "signer.sock"


def signer_user(state: Path) -> list[str]:
    """Only root can give the signer a user of its own."""
    return ["--user", str(spare_user(state / "signer"))] if os.geteuid() == 0 else []


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def manage(*arguments: str) -> list[str]:
    return python(str(ROOT / "manage.py"), *arguments)


def celery(queues: str, *, lanes: int, name: str) -> list[str]:
    """Threads, so that a lane's connections and keys are the process's own and no fork outlives it. Checks of settings
    are made before processes start; here they would load every page."""
    program = ["-W", f"ignore:{ROOT_WARNING}", "-m", "celery", "--quiet", "--skip-checks", "-A", "console", "worker"]
    work = ["-Q", queues, "-P", "threads", "-c", str(lanes), "-n", f"{name}@%h"]
    return python(*program, *work, "-l", "WARNING", "--without-gossip", "--without-mingle")


def spawn(arguments: list[str], environment: Mapping[str, str], *, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Ends with this process; see `children` for how."""
    return spawn_child(arguments, env=environment, cwd=ROOT, output=output)
