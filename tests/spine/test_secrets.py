"""A credential's secret is nowhere but in its sealed column, even when the other side says it back in disguise."""

import base64
import html
import http.client
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from psycopg import sql as statements

from approvals.models import Action, Review
from console.accounts.models import User
from console.core.errors import Invalid
from console.home.processes import ROOT, Process
from console.runs.models import Run, Step
from examples.demo.charges import seed_charges
from examples.demo.people import acting, seed_people
from examples.demo.seed import connect
from integrations.describe import store_credential
from integrations.models import Call, Credential, Integration
from tests.services import services
from tests.spine.conftest import World
from tests.stack import Stack, wait_until
from tests.standins.fault_proxy import Arrival, FaultProxy

LIST = "countersign:actions"  # what wakes the door
FRAGMENT = "pLaNtEd7Qz9Xv3Secret"  # letters and digits, so that no escaping but base64 and hex changes it
SECRET = f'sk_"\\/+&=%?#<>\'~{FRAGMENT}/+"end'


def needles() -> list[bytes]:
    raw = FRAGMENT.encode()
    inner = []
    for ahead in range(3):
        whole = base64.b64encode(bytes(ahead) + raw).decode().rstrip("=")
        inner.append(whole[-(-ahead * 8 // 6) : (ahead + len(raw)) * 8 // 6].encode())
    return [
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        *inner,
        *(one.translate(bytes.maketrans(b"+/", b"-_")) for one in inner),
    ]


NEEDLES = needles()


def holds(haystack: bytes) -> bool:
    return any(needle in haystack for needle in NEEDLES)


def disguises(authorization: str) -> dict[str, str]:
    """What peers do to what they echo."""
    secret = authorization.partition(" ")[2]
    return {
        "raw": authorization,
        "url": quote(secret, safe=""),
        "lower": quote(secret, safe="").lower().replace(FRAGMENT.lower(), FRAGMENT),
        "form": quote_plus(authorization),
        "json in json": json.dumps({"header": authorization}),
        "php": json.dumps(secret).replace("/", "\\/"),
        "html": html.escape(authorization),
        "base64": base64.b64encode(secret.encode()).decode(),
        "base64 of all": base64.b64encode(authorization.encode()).decode(),
        "base64 of more": base64.b64encode(f"x{authorization}y".encode()).decode(),
        "base64 of pair": base64.b64encode(f"user:{secret}".encode()).decode(),
        "base64url": base64.urlsafe_b64encode(f"user:{secret}".encode()).decode(),
        "hex": secret.encode().hex(),
    }


def test_the_disguises_are_ones_that_would_be_found() -> None:
    said = disguises(f"Bearer {SECRET}")
    assert [name for name, text in said.items() if not holds(text.encode())] == []


class EchoingProxy(FaultProxy):
    """Adds the Authorization header, in every disguise, to each JSON answer; the last with each character escaped."""

    refuse = False  # answer writes with 400 and plain text instead

    def forward(self, arrival: Arrival) -> tuple[http.client.HTTPResponse, bytes]:
        response, body = super().forward(arrival)
        authorization = arrival.headers.get("authorization", "")
        said = disguises(authorization)
        if self.refuse and arrival.method != "GET":
            response.status = 400
            return response, "\n".join(said.values()).encode()
        escaped = "".join(f"\\u{ord(char):04x}" for char in authorization)
        echo = json.dumps({"echo": said, authorization: "as a key"})[:-1] + f', "escaped": "{escaped}"}}'
        return response, body.rstrip()[:-1] + b', "echoed": ' + echo.encode() + b"}"


@pytest.fixture
def echo(standin: str) -> Iterator[EchoingProxy]:
    address = urlsplit(standin)
    with EchoingProxy(str(address.hostname), address.port or 0) as proxy:
        yield proxy


@pytest.fixture
def planted(committed: str, standin: str, echo: EchoingProxy) -> World:
    seeded = seed_charges(standin)
    seed_people()
    connect(echo.base_url, api_key=SECRET)
    return World(standin, seeded)


def leaves(value: Any) -> Iterator[bytes]:
    match value:
        case bytes() | memoryview():
            yield bytes(value)
        case dict():
            for key, inner in value.items():
                yield from (str(key).encode(), *leaves(inner))
        case list() | tuple():
            for inner in value:
                yield from leaves(inner)
        case _:
            yield str(value).encode("utf-8", "surrogatepass")


def tables_holding_it(database: str) -> list[str]:
    """As `table.column`, over every row of every table."""
    found = set()
    with services().superuser(database) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        tables = [row[0] for row in names.fetchall()]
        assert len(tables) > 30
        for table in tables:
            cursor = connection.execute(statements.SQL("SELECT * FROM {}").format(statements.Identifier(table)))
            columns = [column.name for column in cursor.description or ()]
            for row in cursor:
                found |= {
                    f"{table}.{name}"
                    for name, value in zip(columns, row, strict=True)
                    if any(map(holds, leaves(value)))
                }
    return sorted(found)


def queued() -> dict[str, list[bytes]]:
    """Every key of the broker with all that it holds, and of what lies beside it for the door."""
    return {key: held for database in (0, 1) for key, held in _queued(database).items()}


def _queued(database: int) -> dict[str, list[bytes]]:
    with services().broker(database) as broker:
        read = {
            b"list": lambda key: broker.lrange(key, 0, -1),
            b"set": broker.smembers,
            b"string": lambda key: [broker.get(key)],
            b"hash": lambda key: [part for pair in broker.hgetall(key).items() for part in pair],
            b"zset": lambda key: broker.zrange(key, 0, -1),
        }
        return {key.decode(): list(read[broker.type(key)](key)) for key in broker.keys("*")}


def files_holding_it(places: Iterable[Path]) -> list[str]:
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    assert files
    return [str(file) for file in files if holds(file.read_bytes())]


def test_a_planted_secret_leaves_no_trace_in_tables_queues_files_and_pages(
    planted: World, committed: str, tmp_path: Path, client: Client
) -> None:
    """Real processes, at their most talkative. The broker's own file holds every message that ever went through it."""
    stack = Stack(committed, tmp_path, COUNTERSIGN_LOG="DEBUG")
    try:
        run = planted.begin()
        wait_until(lambda: queued().get("steps"), "a message lies in the queue")
        assert [key for key, parts in queued().items() if any(map(holds, parts))] == []
        stack.start("web", "worker", "door", "beat")
        wait_until(lambda: Review.objects.filter(state="open").count() == 2, "two refunds wait")
        stack.kill("door")
        review = planted.sign(planted.review(large=True))
        wait_until(lambda: queued().get(LIST), "a message for the door lies on its list")
        assert json.loads(queued()[LIST][-1]) == ["approvals.tasks.drive", [review.action_id]]
        assert [key for key, parts in queued().items() if any(map(holds, parts))] == []
        stack.start("door")
        planted.sign_by_password(planted.review(large=False))
        wait_until(lambda: Run.objects.get(pk=run.pk).state == "succeeded", "the run ends")
    finally:
        stack.stop()
    call = Call.objects.get(action=review.action_id)
    assert "[redacted]" in json.dumps(call.receipt)
    assert "[redacted]" in json.dumps(Step.objects.get(run=run, name="charges").output)
    assert tables_holding_it(committed) == []
    state = services().state
    assert files_holding_it([tmp_path, state / "log", state / "valkey"]) == []
    assert pages_holding_it(client, run, review) == []


def pages_holding_it(client: Client, run: Run, review: Review) -> list[str]:
    mira = User.objects.get(username="mira")
    client.force_login(mira)
    pages = [reverse("reviews"), reverse("review", args=[review.id]), reverse("run", args=[run.id]), reverse("audit"),
             reverse("integrations"), reverse("integration", args=["stripe"])]  # fmt: skip
    answers = {page: client.get(page) for page in pages}
    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(pages, 200)
    return [page for page, answer in answers.items() if holds(answer.content)]


def test_a_refusal_that_quotes_the_secret_is_kept_without_it(
    planted: World, committed: str, echo: EchoingProxy
) -> None:
    planted.begin()
    planted.settle()
    echo.refuse = True
    review = planted.sign(planted.review(large=True))
    planted.settle()
    action = Action.objects.get(pk=review.action_id)
    assert (action.state, "[redacted]" in json.dumps(action.outcome)) == ("failed", True)
    assert tables_holding_it(committed) == []


@pytest.mark.parametrize("secret", ["sk_with newline\n", " sk_space", "sk_é", "", "sk_\0", "sk_tab\t"])
def test_a_secret_that_no_header_can_carry_is_refused_without_being_quoted(secret: str, planted: World) -> None:
    """The HTTP library would quote it in its error."""
    with pytest.raises(Invalid) as refusal:
        store_credential(Integration.objects.get(), name="bad", secret=secret, actor=acting("mira"))
    assert secret.strip() not in refusal.value.text or not secret.strip()


UNSEAL = """
import django; django.setup()
from integrations.models import Credential
from console.core.sealing import unseal
credential = Credential.objects.get()
print(unseal(credential.seal))
"""
ATTEST = """
import django; django.setup()
from console.core.attest import attest
print(attest("grant", {}).hex())
"""


def attempt(stack: Stack, process: Process, program: str) -> subprocess.CompletedProcess[str]:
    env = {**stack.environment(process), "DJANGO_SETTINGS_MODULE": "console.settings"}
    return subprocess.run(
        [sys.executable, "-c", program], env=env, cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_only_the_door_can_unseal_and_only_the_others_can_attest(
    planted: World, committed: str, tmp_path: Path
) -> None:
    stack = Stack(committed, tmp_path)
    others: list[Process] = ["web", "worker", "beat", "command"]
    for process in others:
        assert "COUNTERSIGN_DOOR_KEY_FILE" not in stack.environment(process)
    assert "COUNTERSIGN_CONSOLE_KEY_FILE" not in stack.environment("door")
    for process in ("web", "worker"):
        refused = attempt(stack, process, UNSEAL)
        assert "RuntimeError: Only the door opens secrets" in refused.stderr
        assert not holds((refused.stdout + refused.stderr).encode())
    assert json.loads(attempt(stack, "door", UNSEAL).stdout) == {"token": SECRET}
    assert "RuntimeError: COUNTERSIGN_CONSOLE_KEY_FILE" in attempt(stack, "door", ATTEST).stderr


def test_sealed_bytes_open_nowhere_but_in_their_own_row(planted: World) -> None:
    from console.core.errors import Tampered
    from console.core.sealing import unseal

    sealed = Credential.objects.get().seal
    assert json.loads(unseal(sealed)) == {"token": SECRET}
    with pytest.raises(Tampered):
        unseal(replace(sealed, place=sealed.place.replace("crd_", "crd_other")))


def test_a_process_inherits_none_of_the_shells_credentials(committed: str, tmp_path: Path) -> None:
    names = {"AWS_SECRET_ACCESS_KEY", "COUNTERSIGN_DOOR_KEY_FILE", "HTTPS_PROXY", "PYTHONSTARTUP"}
    with pytest.MonkeyPatch.context() as shell:
        for name in names:
            shell.setenv(name, FRAGMENT)
        environment = Stack(committed, tmp_path).environment("web")
    assert names.isdisjoint(environment)
    assert FRAGMENT not in environment.values()
