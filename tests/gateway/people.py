"""A system at which one signs in by OAuth 2.0, as an admin connects it; the authorization server is other people's."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.test import Client

from approvals.models import Action
from approvals.tasks import drive
from audit.models import Record
from console.accounts.models import User
from console.core.actor import system
from console.core.clock import now
from console.core.sealing import unseal
from examples.demo.people import acting
from integrations import tokens
from integrations.authorize import exchange_code
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import AccessToken, Authorization, Credential
from tests.gateway.conftest import make_agent
from tests.spine.attacker import owner
from tests.spine.conftest import World
from tests.standins.authorization_server import AuthorizationServer, authorization_server

BACK = "/integrations/credentials/authorized/"
LOOK = "look: {title: Who am I, effect: read, method: GET, path: /who, trust: reviewed}"
TOKEN = re.compile(rb'"(?:access|refresh)_token": "([^"]+)"')


@pytest.fixture(scope="module")
def running() -> Iterator[AuthorizationServer]:
    with authorization_server() as started:
        yield started


@pytest.fixture
def server(running: AuthorizationServer) -> AuthorizationServer:
    running.forget()
    return running


@dataclass
class Connected:
    server: AuthorizationServer
    credential: Credential
    agent: str  # the secret of its token

    @property
    def mira(self) -> Client:
        client = Client(headers={"host": "localhost"})
        client.force_login(User.objects.get(username="mira"))
        return client

    def start(self, browser: Client, **consent: Any) -> dict[str, str]:
        """Through the page, to the server, and as far as what it sends back."""
        page = browser.post(f"/integrations/credentials/{self.credential.pk}/authorization/").content.decode()
        link = re.search(r'<a class="btn go" href="([^"]+)"', page)
        assert link, page
        address = unescape(link[1])
        asked = dict(parse_qsl(urlsplit(address).query))
        return {"state": asked["state"], **self.server.consent(address, **consent)}  # it gives none with an error

    def connect(self) -> Authorization:
        browser = self.mira
        back = self.start(browser)
        assert browser.post(BACK, back).status_code == 302
        row = Authorization.objects.latest("started_at")
        exchanged = exchange_code(row.pk, actor=DOOR_ITSELF)
        assert exchanged is not None
        return exchanged

    def fresh(self) -> Credential:
        return Credential.objects.select_related("integration").get(pk=self.credential.pk)

    def token(self) -> tokens.Token | None:
        credential = self.fresh()
        return tokens.token_for(credential, credential.integration, unseal(credential.seal))

    def expire(self) -> None:
        AccessToken.objects.update(expires_at=now())

    def ask(self, operation: str = "people.look") -> Action:
        browser = Client(headers={"host": "localhost", "authorization": f"Bearer {self.agent}"})
        body = {"operation": operation, "arguments": {}, "says": "To see whether it works."}
        assert browser.post("/api/v1/actions", body, content_type="application/json").status_code == 202
        action = Action.objects.latest("created_at")
        drive(action.pk)
        return Action.objects.get(pk=action.pk)


DOOR_ITSELF = system("door")


def connected(server: AuthorizationServer, kind: str, **settings: str) -> Connected:
    """Described, sealed and granted as an admin does."""
    method = {"basic": "client_secret_basic", "body": "client_secret_post"}[settings.get("client_auth", "basic")]
    client, secret = server.register(f"http://localhost:{origin_port()}{BACK}", method)
    given = {"type": kind, "token_url": server.token_url, "scope": "openid email", **settings}
    if kind == "oauth2_code":
        given |= {"authorize_url": server.authorize_url, "client_id": client}
    text = f"{{integration: people, title: People, credential: {json.dumps(given)}, operations: {{{LOOK}}}}}"
    mira = acting("mira")
    integration = describe_integration(text, base_url=server.address, actor=mira)
    parts = {"client_secret": secret} | ({"client_id": client} if kind == "oauth2_client" else {})
    credential = store_credential(integration, name="directory", secret=parts, actor=mira)
    agent, _, token = make_agent()
    give_grant(grantee=agent.grantee, operations=["look"], credential=credential, actor=mira)
    return Connected(server, credential, token)


def origin_port() -> str:
    from django.conf import settings

    return settings.ORIGIN.rpartition(":")[2]


def as_owner(statement: str, *values: object) -> None:
    """What no role of the product may do."""
    with owner(str(connection.settings_dict["NAME"])) as sql:
        sql.execute(statement, list(values))


def told(kind: str) -> list[dict[str, object]]:
    leaves = Record.objects.filter(kind=kind).order_by("at").values_list("leaf", flat=True)
    return [json.loads(bytes(leaf))["detail"] for leaf in leaves]


@pytest.fixture
def consented(world: World, server: AuthorizationServer) -> Connected:
    return connected(server, "oauth2_code")
