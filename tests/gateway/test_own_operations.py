"""What agents do themselves is described by hand, at one place, and granted to agents alone."""

import pytest
from django.test import Client

from approvals.models import Review
from console.accounts.models import User
from console.core.errors import Conflict, Invalid
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant
from integrations.models import Credential, Integration
from integrations.permission import AGENT
from tests.gateway.conftest import Asking
from tests.gateway.test_permissions import CALL, DESCRIBED, permitting

__all__ = ["permitting"]


def sheet(asking: Asking, reader: str) -> str:
    asking.world.settle()
    browser = Client(headers={"host": "localhost"})
    browser.force_login(User.objects.get(username=reader))
    return browser.get(f"/reviews/{Review.objects.get().pk}/").content.decode()


def test_whoever_signs_is_told_that_the_agent_does_it(permitting: Asking) -> None:
    permitting.ask("coding-agent.bash", **CALL)
    shown = sheet(permitting, "sam")
    assert "The agent does this itself" in shown
    assert "agent.invalid" not in shown


def test_of_everything_else_the_signer_is_told_where_it_goes(asking: Asking) -> None:
    asking.refund()
    shown = sheet(asking, "ana")
    assert "The agent does this itself" not in shown
    assert "http://127.0.0.1:" in shown


ODD = {
    "reads nothing": ("effect: destructive", "effect: read", "the door reads nothing"),
    "is a POST": ("method: POST", "method: PUT", "a POST with a body of JSON"),
    "has a body": ("body: json", "body: form", "a POST with a body of JSON"),
    "has its arguments in the body": ("command: {in: body", "command: {in: query", "fields of the body"),
    "says that it is given once": ("mode: native_key, header: Idempotency-Key", "mode: none", "given once"),
    "has no other key": ("header: Idempotency-Key", "header: X-Key", "given once"),
    "has no secret": ("credential: {type: none}", "credential: {type: bearer}", "no credential"),
    "has no way back": ("path: /Bash", "path: /Bash\n    compensation: {operation: bash, arguments: {command: ls}}",
                        "asks an agent nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_an_agent_does_itself(name: str, asking: Asking) -> None:
    before, after, problem = ODD[name]
    with pytest.raises(Invalid, match=problem):
        describe_integration(DESCRIBED.replace(before, after, 1), base_url=AGENT, actor=acting("mira"))
    assert not Integration.objects.filter(slug="coding-agent").exists()


@pytest.mark.parametrize("place", ["http://agent.invalid", f"{AGENT}/", f"{AGENT}:444", "https://AGENT.invalid"])
def test_its_place_has_one_spelling(place: str, asking: Asking) -> None:
    with pytest.raises(Invalid, match="described by hand"):
        describe_integration(DESCRIBED, base_url=place, actor=acting("mira"))


@pytest.mark.parametrize("grantee", ["workflow:billing-care", "people"])
def test_nobody_but_an_agent_is_granted_it(grantee: str, permitting: Asking) -> None:
    credential = Credential.objects.get(integration__slug="coding-agent")
    with pytest.raises(Invalid, match="for agents"):
        give_grant(grantee=grantee, operations=["bash"], credential=credential, actor=acting("mira"))


def test_an_operation_keeps_to_its_place(permitting: Asking) -> None:
    part = "operations:\n  bash:" + DESCRIBED.partition("operations:\n  bash:")[2].partition("\n  write:")[0]
    head = DESCRIBED.partition("operations:")[0]
    with pytest.raises(Conflict, match="bound to"):
        describe_integration(head + part, base_url="https://api.example.com", actor=acting("mira"))
