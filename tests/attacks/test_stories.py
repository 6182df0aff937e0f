"""The same attacks on a whole action: an agent asks, the door sends, and the agent looks what became of it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client

from console.accounts.models import User
from examples.demo.charges import SeededCharges
from examples.demo.people import acting, seed_people
from examples.demo.seed import connect, read
from integrations import outbound
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Call, Credential, Grant
from tests.attacks.peer import SECRET, Peer, Script, saying, serving
from tests.attacks.test_answers import OK, SLOW
from tests.gateway.conftest import GRANTED, Asking, make_agent
from tests.spine.conftest import World

Besiege = Callable[[Script], tuple[Asking, Peer]]


@pytest.fixture
def besieged(committed: str) -> Iterator[Besiege]:
    """An agent whose integration is a peer that follows this script."""
    with ExitStack() as stack:

        def besiege(script: Script) -> tuple[Asking, Peer]:
            peer = stack.enter_context(serving(script))
            seed_people()
            connect(peer.base_url, api_key=SECRET)
            anything = re.sub(r'pattern: "[^"]*", ', "", read("integrations/stripe.yaml"))
            describe_integration(anything, base_url=peer.base_url, actor=acting("mira"))
            agent, token, secret = make_agent()
            give_grant(grantee=agent.grantee, operations=GRANTED, credential=Credential.objects.get(),
                       actor=acting("mira"))  # fmt: skip
            return Asking(World("", SeededCharges({}, {}, {})), agent, token, secret), peer

        yield besiege


def outcome(asking: Asking, **arguments: Any) -> Any:
    asking.ask("stripe.get_charge", **arguments)
    asking.world.settle()
    return asking.look(asking.action().id).json()


@pytest.mark.parametrize("what", ["its headers", "its body"])
def test_a_peer_that_dribbles_fails_the_action(what: str, besieged: Besiege, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "LONGEST", 0.5)
    asking, _ = besieged(SLOW[what])
    assert outcome(asking, charge="ch_1")["state"] == "failed"
    assert Call.objects.exclude(state__in=["failed", "in_doubt"]).count() == 0


def test_a_redirect_sends_the_credential_nowhere(besieged: Besiege) -> None:
    with serving(saying(OK + b"Content-Length: 2\r\n\r\n{}")) as elsewhere:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.base_url}/\r\nContent-Length: 0\r\n\r\n"
        asking, peer = besieged(saying(moved.encode()))
        told = outcome(asking, charge="ch_1")
        assert (told["settled"], SECRET in json.dumps(told)) == (True, False)
    assert (len(peer.heard), elsewhere.heard) == (1, [])


@pytest.mark.parametrize("charge", ["../customers/cus_1", "ch_1/%2e%2e/%2e%2e/customers", "..\\..\\customers"])
def test_an_argument_that_climbs_is_never_sent(charge: str, besieged: Besiege) -> None:
    asking, peer = besieged(saying(OK + b"Content-Length: 2\r\n\r\n{}"))
    told = outcome(asking, charge=charge)
    assert (told["state"], "would change the path" in json.dumps(told), peer.heard) == ("failed", True, [])


def test_an_argument_of_two_lines_is_one_segment(besieged: Besiege) -> None:
    asking, peer = besieged(saying(OK + b"Content-Length: 2\r\n\r\n{}"))
    outcome(asking, charge="ch_1 HTTP/1.1\r\nX-Evil: 1")
    [heard] = peer.heard
    assert (b"\r\nX-Evil" in heard, heard.split(b"\r\n")[0]) == (
        False, b"GET /v1/charges/ch_1%20HTTP%2F1.1%0D%0AX-Evil%3A%201 HTTP/1.1")  # fmt: skip


def test_a_credential_goes_to_its_own_integration_only(besieged: Besiege) -> None:
    """Somebody who may connect systems connects their own, and names the other's credential in a grant for it."""
    asking, peer = besieged(saying(OK + b"Content-Length: 2\r\n\r\n{}"))
    with serving(saying(OK + b"Content-Length: 2\r\n\r\n{}")) as theirs:
        text = "integration: evil\ntitle: Evil\ncredential: {type: bearer}\noperations:\n  look: {title: Look, effect: read, method: GET, path: /look}"  # fmt: skip  # noqa: E501
        evil = describe_integration(text, base_url=theirs.base_url, actor=acting("mira"))
        store_credential(evil, name="own", secret="sk_of_their_own", actor=acting("mira"))
        foreign = Credential.objects.get(name="billing key")
        client = Client()
        client.force_login(User.objects.get(username="mira"))
        given = {"grantee": asking.agent.grantee, "operations": "look", "credential": foreign.pk, "days": "30"}
        assert client.post("/integrations/evil/grant/", given).status_code == 422
        asked = asking.ask("evil.look")
        asking.world.settle()
    assert asked.json()["error"]["code"] == "not_granted"
    assert (Grant.objects.filter(integration=evil).count(), theirs.heard, peer.heard) == (0, [], [])
