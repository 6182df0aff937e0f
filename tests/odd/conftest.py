"""A team, and another side that answers as a test says: correct HTTP, and whatever it likes in it."""

import http.server
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection

from approvals.models import Action
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.tasks import drive
from console.accounts.actors import human
from console.accounts.people import create_team, create_user, set_membership
from console.core.actor import Actor, system
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Integration
from tests.factories import a_grantee
from tests.servers import served
from tests.spine.attacker import owner

POLICY = """
policy: odd
rules:
  - {id: trusted, when: {agent: [trusted]}, then: allow}
  - {id: rest, when: {}, then: review, review: {slots: [{group: admins}]}}
"""
THINGS = """
integration: things
title: Things
credential: {type: bearer}
operations:
  look: {title: Look, effect: read, trust: reviewed, method: GET, path: /look}
  make:
    title: Make
    effect: write
    trust: reviewed
    method: POST
    path: /make
    body: json
    arguments:
      amount: {in: body, required: true, schema: {type: integer}}
    idempotency: {mode: native_key, header: Idempotency-Key, evidence: a test}
    MORE
"""
Said = tuple[int, dict[str, str], bytes]


class Peer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.heard = list[tuple[str, str, bytes]]()
        self.says: Callable[[str, str], Said] = lambda *_: (200, {}, b"{}")


class Answering(http.server.BaseHTTPRequestHandler):
    server: Peer

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard.append((self.command, self.path, body))
        status, headers, content = self.server.says(self.command, self.path)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        """Nothing of it is of interest."""


@dataclass
class Shop:
    peer: Peer
    database: str
    admin: Actor
    base_url: str = field(init=False)

    def __post_init__(self) -> None:
        self.base_url = f"http://127.0.0.1:{self.peer.server_address[1]}"

    def connect(
        self, more: str = "success: {status: [200]}", *, text: str = THINGS, grantee: str = "agent:trusted",
        limits: dict[str, Any] | None = None,
    ) -> Integration:  # fmt: skip
        """The grantee may do everything there."""
        text = text.replace("MORE", more)
        integration = describe_integration(text, base_url=self.base_url, actor=self.admin)
        credential = integration.credentials.first() or store_credential(
            integration, name="key", secret="a secret of the tests", actor=self.admin
        )
        operations = list(integration.operations.values_list("slug", flat=True))
        give_grant(grantee=a_grantee(grantee, self.admin), operations=operations, credential=credential, limits=limits,
                   actor=self.admin)  # fmt: skip
        return integration

    def ask(self, operation: str = "make", grantee: str = "agent:trusted", **arguments: Any) -> Action:
        """Asked for, and taken as far as it goes."""
        asked = self.propose(operation, grantee, **arguments)
        drive(asked.pk)
        asked.refresh_from_db()
        return asked

    def propose(
        self, operation: str = "make", grantee: str = "agent:trusted", after: str | None = None, **arguments: Any
    ) -> Action:
        proposal = Proposal(self.admin.team, f"things.{operation}", arguments, grantee, ["usr_maker"], after=after)
        return propose(proposal, actor=system("web"))

    def sql(self, statement: str, *values: object) -> None:
        """As whoever owns the tables, past all triggers."""
        with owner(self.database) as tables:
            tables.execute("RESET ROLE")
            tables.execute("SET session_replication_role = replica")
            tables.execute(statement, list(values))


@pytest.fixture
def shop(committed: str) -> Iterator[Shop]:
    team = create_team("odd", "Odd", actor=system("tests"))
    user = create_user("mira", "Mira", actor=system("tests"))
    admin = human(user, set_membership(user, team, roles=["admin"], groups=[], actor=system("tests")), auth="session")
    publish_policy(POLICY, actor=admin)
    with served(Peer()) as peer:
        yield Shop(peer, connection.settings_dict["NAME"], admin)
