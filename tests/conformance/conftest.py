"""A console as it is installed, with all its processes, and what strangers have who come to it from outside: an
address, names with passwords, and tokens."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from pytest_django.plugin import DjangoDbBlocker

from approvals.publish import publish_policy
from console.accounts.models import User
from console.core import presence
from examples.demo.charges import SeededCharges, refunds, seed_charges
from examples.demo.people import acting, seed_people
from examples.demo.seed import connect
from integrations.describe import give_grant
from integrations.models import Credential
from tests.access.conftest import token
from tests.conftest import a_clone
from tests.gateway.conftest import make_agent
from tests.services import ORIGIN
from tests.spine.conftest import running_standin
from tests.stack import Stack, wait_until

__all__ = ["running_standin"]

PASSWORD = "obvious-test-password"
# Of each decision one, by what is known only when it is asked for, where that matters.
POLICY = """policy: conformance
totals: {spent: {sum: eur, by: [agent], hours: 24}}
rules:
  - {id: forbidden, when: {operation: [stripe.cancel_subscription]}, then: deny, reason: Contracts are ended by people.}
  - {id: reads, when: {effect: [read]}, then: allow}
  - {id: smaller, when: {agent: [careful]}, then: modify, modify: {cap: {amount: 1_000}}}
  - {id: enough, when: {agent: [spender], total: {spent: {at_least: 6_000}}}, then: deny, reason: Enough for today.}
  - id: one-by-one
    when: {agent: [patient, hasty], total: {spent: {at_least: 3_001}}}
    then: defer
    defer: {missing: An end of the refund before it, minutes: 1}
  - id: brief
    when: {agent: [unanswered]}
    then: review
    review: {slots: [{group: finance}], signature: password, expires_minutes: 1}
  - {id: people, when: {}, then: review, review: {slots: [{group: finance}], signature: password}}
"""
AGENTS = {
    "reader": ("jonas", ["get_charge"]),
    "asker": ("jonas", ["create_refund"]),
    "chained": ("jonas", ["create_refund"]),
    "careful": ("jonas", ["create_refund"]),
    "spender": ("jonas", ["create_refund"]),
    "patient": ("jonas", ["create_refund"]),
    "hasty": ("mira", ["create_refund"]),
    "unanswered": ("mira", ["create_refund"]),
    "forbidden": ("mira", ["cancel_subscription", "create_refund", "get_charge"]),
}


@dataclass
class Outside:
    """All that a client has."""

    standin: str
    seeded: SeededCharges
    agents: dict[str, str]
    tokens: dict[str, str]
    stack: Stack

    def ask(self, agent: str, operation: str = "create_refund", *, wait: int = 20, **given: Any) -> httpx.Response:
        body = {"operation": f"stripe.{operation}", **given}
        headers = {"Authorization": f"Bearer {self.agents[agent]}", "Prefer": f"wait={wait}"}
        return httpx.post(f"{ORIGIN}/api/v1/actions", json=body, headers=headers, timeout=60)

    def refund(self, agent: str, amount: int, which: str = "apart", **given: Any) -> dict[str, Any]:
        arguments = {"charge": self.seeded.pair(which).later, "amount": amount}
        return dict(self.ask(agent, arguments=arguments, **given).json())

    def look(self, agent: str, action: str, *, wait: int = 0) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.agents[agent]}", **({"Prefer": f"wait={wait}"} if wait else {})}
        return dict(httpx.get(f"{ORIGIN}/api/v1/actions/{action}", headers=headers, timeout=90).json())

    def read(self, who: str, place: str, **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        answer = httpx.get(f"{ORIGIN}/api/v1/{place}", params=query, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def receipts(self, kind: str, **query: Any) -> list[dict[str, Any]]:
        """The newest first: what was hashed into the log, as its bytes say it."""
        found = self.read("theo", "records", kind=kind, **query)["items"]
        return [json.loads(self.read("theo", f"records/{one['id']}")["leaf"]) for one in found]

    def receipt(self, action: str, kind: str) -> dict[str, Any]:
        return self.receipts(kind, subject=action)[0]

    def calls_of(self, action: str) -> list[dict[str, Any]]:
        sent = self.receipts("integrations:call:sending")
        return [one for one in sent if one["detail"]["call_action"] == action]

    def refunds(self, which: str = "apart") -> list[int]:
        return [int(str(one["amount"])) for one in refunds(self.standin, self.seeded.pair(which).later)]


class Person:
    """Somebody in a browser, as far as HTTP goes."""

    def __init__(self, username: str) -> None:
        self.http = httpx.Client(base_url=ORIGIN, headers={"Origin": ORIGIN}, timeout=60)
        self.post("/sign-in/", at="/sign-in/", login=username, password=PASSWORD)

    def post(self, address: str, *, at: str, **fields: str) -> httpx.Response:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.http.get(at).text)
        assert found, at
        return self.http.post(address, data={"csrfmiddlewaretoken": found[1], **fields})

    def decide(self, review: str, verdict: str, reason: str = "") -> None:
        sheet = f"/reviews/{review}/"
        given = {"verdict": verdict, "reason": reason, "password": PASSWORD}
        answer = self.post(f"{sheet}decision", at=sheet, **given)
        assert answer.status_code == 302, answer.text

    def export(self, form: str, file: Path, *, holding: str) -> Path:
        """All of the log up to now, once the signed tree has what is asked for: it is a second behind."""
        while True:
            asked = self.post("/audit/exports/new/", at="/audit/exports/new/", form=form)
            assert asked.status_code == 302, asked.text
            file.write_bytes(self._download(asked.headers["Location"]))
            with ZipFile(file) as archive:
                if any(holding.encode() in archive.read(name) for name in archive.namelist()):
                    return file

    def _download(self, export: str) -> bytes:
        wait_until(lambda: self.http.get(f"{export}download/").is_success, "the export is done")
        return self.http.get(f"{export}download/").content


@pytest.fixture
def ana(outside: Outside) -> Iterator[Person]:
    yield from _person("ana")


@pytest.fixture
def theo(outside: Outside) -> Iterator[Person]:
    yield from _person("theo")


def _person(username: str) -> Iterator[Person]:
    person = Person(username)
    yield person
    person.http.close()


@pytest.fixture(scope="package")
def outside(
    running_standin: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Outside]:
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), a_clone() as database:
        patch.setattr(presence, "number", lambda: 1)
        patch.setattr(presence, "alive", lambda: {1})
        stack = Stack(database, tmp_path_factory.mktemp("processes"))
        found = _install(running_standin, stack)
        try:
            stack.start("signer", "sequencer", "web", "door", "beat", "publisher")
            yield found
        finally:
            stack.stop()


def _install(standin: str, stack: Stack) -> Outside:
    httpx.delete(f"{standin}/_config/data").raise_for_status()
    seeded, team = seed_charges(standin), seed_people()
    connect(standin)
    publish_policy(POLICY, actor=acting("mira"))
    for name in ("ana", "theo"):
        user = User.objects.get(username=name)
        user.set_password(PASSWORD)
        user.save(update_fields=["password", "password_attestation"])
    agents = {slug: _agent(slug, owner, operations) for slug, (owner, operations) in AGENTS.items()}
    return Outside(standin, seeded, agents, {who: token(who, team) for who in ("ana", "theo")}, stack)


def _agent(slug: str, owner: str, operations: list[str]) -> str:
    agent, _, secret = make_agent(slug, owner=owner)
    give_grant(grantee=agent.grantee, operations=operations, credential=Credential.objects.get(), actor=acting("mira"))
    return secret
