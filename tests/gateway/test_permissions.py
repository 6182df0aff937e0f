"""What an agent runs itself, it asks for first: permission is for these bytes, once and for a while, or refused."""

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.models import Action, Review
from approvals.publish import publish_policy
from approvals.sweep import expire_reviews
from approvals.tasks import drive
from audit.models import Record
from audit.vocabulary import Kind
from console.agents.identify import identify
from console.core.clock import now
from console.gateway import permissions
from console.gateway.permissions import answer_permission
from examples.demo.people import acting
from examples.demo.seed import EXAMPLES
from integrations.describe import describe_integration, give_grant, revoke_grant, store_credential
from integrations.models import Call, Credential, Grant
from integrations.outbound import Unknown
from integrations.permission import AGENT, LASTS
from tests.gateway.conftest import Asking, refused
from tests.gateway.test_actions import during
from tests.gateway.test_mcp import address, talk

__all__ = ["address"]

OWN = ["bash", "command", "edit", "file_change", "write"]
DESCRIBED = (EXAMPLES / "integrations/coding-agent.yaml").read_text()
CALL: dict[str, Any] = {"command": "rm -rf build", "timeout": 1}


@pytest.fixture
def permitting(asking: Asking) -> Asking:
    """The agent has tools of its own, and may use them where somebody signs it."""
    mira = acting("mira")
    integration = describe_integration(DESCRIBED, base_url=AGENT, actor=mira)
    credential = store_credential(integration, name="none", secret={}, actor=mira)
    give_grant(grantee=asking.agent.grantee, operations=OWN, credential=credential, actor=mira)
    return asking


@pytest.fixture(autouse=True)
def nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "PATIENCE", 0.0)


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    yield
    connections.close_all()


def permission(asking: Asking, tool: object = "Bash", given: object = None, use: object = "use_1") -> dict[str, Any]:
    who = identify(f"Bearer {asking.secret}")
    assert who is not None
    wanted = {"tool_name": tool, "input": CALL if given is None else given, "tool_use_id": use}
    return answer_permission(who, wanted)


def sign(asking: Asking, verdict: str = "approve", reason: str = "") -> None:
    asking.world.settle()
    asking.world.sign(Review.objects.get(state="open"), "sam", verdict, reason)
    asking.world.settle()


def deny(text: str) -> dict[str, Any]:
    return {"behavior": "deny", "message": text}


def waits(action: Action) -> dict[str, Any]:
    text = f"Nothing was done: {action.pk} is not decided, and a person may have to sign it."
    return deny(f"{text} Do not work around it. Later, try exactly the same again.")


ALLOW = {"behavior": "allow", "updatedInput": CALL}


def test_what_was_signed_is_permitted_with_exactly_what_was_shown(permitting: Asking) -> None:
    told = permitting.ask("coding-agent.bash", key="k1", **CALL).json()
    sign(permitting)
    told = permitting.look(told["id"]).json()
    outcome = told["outcome"]
    expires = outcome["body"].pop("expires")
    digest = hashlib.sha256(b'{"command":"rm -rf build","timeout":1}').hexdigest()
    body = {"permission": "given", "tool": "Bash", "input": CALL, "input_digest": digest}
    assert outcome == {"code": "succeeded", "text": None, "status": 200, "body": body, "retry": False}
    assert dt.timedelta(minutes=59) < dt.datetime.fromisoformat(expires) - now() < LASTS
    call = Call.objects.get()
    assert (call.state, call.attempt, (call.receipt or {})["status"]) == ("succeeded", 1, 200)
    assert Action.objects.get().facts[0]["becomes"] == "rm -rf build"


def test_the_digests_of_decision_and_call_are_those_of_any_other_action(permitting: Asking) -> None:
    permission(permitting)
    sign(permitting)
    action, call = Action.objects.get(), Call.objects.get()
    assert bytes(call.request_digest) == bytes(action.request_digest or b"")
    review = Review.objects.get()
    assert (
        json.loads(bytes(review.decisions.get().payload))["action_digest"] == bytes(action.action_digest or b"").hex()
    )


def test_nothing_is_sent_anywhere(permitting: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr("integrations.exchange.send", never)
    monkeypatch.setattr("integrations.mcp.session.call_tool", never)
    permission(permitting)
    sign(permitting)
    assert permission(permitting) == ALLOW


def test_what_a_person_has_to_sign_waits_and_is_found_again_by_another_use(permitting: Asking) -> None:
    assert permission(permitting) == waits(Action.objects.get())
    permitting.world.settle()
    assert permission(permitting, use="use_2") == waits(Action.objects.get())
    sign(permitting)
    assert permission(permitting, use="use_3") == ALLOW
    assert Action.objects.count() == 1


def test_a_permission_is_taken_once_and_told_again_to_whoever_has_it(permitting: Asking) -> None:
    permission(permitting)
    sign(permitting)
    assert permission(permitting, use="use_2") == permission(permitting, use="use_2") == ALLOW
    again = permission(permitting, use="use_3")
    action = Action.objects.exclude(state="succeeded").get()
    assert again == waits(action)
    taken = Record.objects.get(kind=Kind.PERMISSION_TAKEN)
    assert taken.actor == permitting.agent.id
    assert json.loads(bytes(taken.leaf))["detail"] == {"use": "use_2"}


def test_a_use_without_a_name_takes_it_once(permitting: Asking) -> None:
    permission(permitting, use=None)
    sign(permitting)
    assert permission(permitting, use="") == ALLOW
    assert permission(permitting, use="")["behavior"] == "deny"


def test_of_two_at_once_one_has_it(permitting: Asking) -> None:
    permission(permitting)
    sign(permitting)
    answers, start = dict[str, str](), threading.Barrier(4)

    def take(use: str) -> None:
        start.wait()
        answers[use] = permission(permitting, use=use)["behavior"]
        connections.close_all()

    threads = [threading.Thread(target=take, args=[f"use_{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == ["allow", "deny", "deny", "deny"]


@pytest.mark.parametrize("edited", [{"command": "rm -rf /"}, {"timeout": True}, {"timeout": 2}, {"description": ""}])
def test_what_was_edited_is_another_request(permitting: Asking, edited: dict[str, object]) -> None:
    permission(permitting)
    sign(permitting)
    assert permission(permitting, given={**CALL, **edited}, use="use_2")["behavior"] == "deny"
    assert permission(permitting, given={**CALL, **edited})["behavior"] == "deny"
    assert permission(permitting, use="use_3") == ALLOW


def test_the_answer_by_a_key_is_what_was_signed_and_not_what_is_sent_later(permitting: Asking) -> None:
    permitting.ask("coding-agent.bash", key="k1", **CALL)
    sign(permitting)
    assert refused(permitting.ask("coding-agent.bash", key="k1", **{**CALL, "command": "ls"})) == (422, "key_reused")
    alike = {**CALL, "timeout": True}  # which Python takes for 1
    assert refused(permitting.ask("coding-agent.bash", key="k1", **alike)) == (422, "key_reused")
    assert permitting.ask("coding-agent.bash", key="k1", **CALL).json()["outcome"]["body"]["input"] == CALL


def test_where_the_door_loses_its_answer_permission_is_given_by_the_same_call(
    permitting: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise Unknown("The answer was lost.")

    permission(permitting)
    with monkeypatch.context() as patched:
        patched.setattr("integrations.exchange.permit", lost)
        permitting.world.settle()
        permitting.world.sign(Review.objects.get(), "sam")
        drive(Action.objects.get().pk)
        assert Action.objects.get().state == "in_doubt"
        assert permission(permitting) == waits(Action.objects.get())
    permitting.world.settle()
    assert permission(permitting) == ALLOW
    assert [call.state for call in Call.objects.all()] == ["succeeded"]


def test_what_was_asked_for_in_another_way_is_not_handed_out(permitting: Asking) -> None:
    permitting.ask("coding-agent.bash", key="k1", **CALL)
    sign(permitting)
    assert permission(permitting) == waits(Action.objects.exclude(state="succeeded").get())


def test_what_is_done_by_us_is_permitted_to_nobody(permitting: Asking) -> None:
    text = """{integration: locks, title: Locks, operations: {turn: {title: Turn, effect: write, method: POST,
        path: /Turn, body: json, arguments: {command: {in: body, required: true, schema: {type: string}}}}}}"""
    mira = acting("mira")
    integration = describe_integration(text, base_url="http://127.0.0.1:9", actor=mira)
    credential = store_credential(integration, name="locks", secret="s", actor=mira)
    give_grant(grantee=permitting.agent.grantee, operations=["turn"], credential=credential, actor=mira)
    answer = permission(permitting, "Turn", {"command": "left"})
    assert answer == deny("You are not granted the tool Turn. Do not try it again.")
    assert not Action.objects.exists()


def test_a_refusal_says_why_and_not_to_try_again(permitting: Asking) -> None:
    permission(permitting)
    sign(permitting, "refuse", "The build is needed.")
    assert permission(permitting) == deny("Refused: The build is needed. Do not try it again.")


def expire(asking: Asking) -> None:
    asking.world.settle()
    Review.objects.update(expires_at=now() - dt.timedelta(seconds=1))
    expire_reviews()


def withdraw(asking: Asking) -> None:
    asking.browser.post(f"/api/v1/actions/{Action.objects.get().pk}/withdraw")


def take_back(asking: Asking) -> None:
    asking.world.settle()
    asking.world.sign(Review.objects.get(), "sam")
    revoke_grant(Grant.objects.get(integration__slug="coding-agent"), actor=acting("mira"))
    drive(Action.objects.get().pk)
    other = Credential.objects.get(integration__slug="coding-agent")
    give_grant(grantee=asking.agent.grantee, operations=OWN, credential=other, actor=acting("mira"))


ENDS = {
    "expired": (expire, "Expired: Nobody signed in time. You may ask again."),
    "withdrawn": (withdraw, "Withdrawn: Whoever asked for it took it back. Do not try it again."),
    "stale": (take_back, "Stale: The grant or its credential has ended. Do not try it again."),
}


@pytest.mark.parametrize("state", ENDS)
def test_what_ended_otherwise_is_no_permission(state: str, permitting: Asking) -> None:
    end, text = ENDS[state]
    permission(permitting)
    end(permitting)
    assert Action.objects.get().state == state
    assert permission(permitting) == deny(text)


def test_what_the_policy_denies_is_no_permission(permitting: Asking) -> None:
    document = "policy: never\nrules:\n- {id: nothing, when: {}, then: deny}\n"
    publish_policy(document, actor=acting("mira"))
    permission(permitting)
    permitting.world.settle()
    said = "Refused: The policy's rule nothing denies it. Do not try it again."
    assert permission(permitting) == deny(said)


def test_what_the_policy_changes_is_permitted_as_changed(permitting: Asking) -> None:
    own = "when: {agent: [helper]}"
    rules = [
        f"{{id: short, {own}, then: modify, modify: {{cap: {{timeout: 1}}}}}}",
        f"{{id: run, {own}, then: allow}}",
        "{id: rest, when: {}, then: deny}",
    ]
    publish_policy("policy: p\nrules:\n- " + "\n- ".join(rules) + "\n", actor=acting("mira"))
    wanted = {**CALL, "timeout": 60}
    permission(permitting, given=wanted)
    permitting.world.settle()
    assert permission(permitting, given=wanted, use="use_2") == ALLOW
    assert Action.objects.count() == 1


def test_a_permission_expires(permitting: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    permission(permitting)
    sign(permitting)
    late = now() + LASTS
    monkeypatch.setattr(permissions, "now", lambda: late)
    assert permission(permitting) == deny("The permission has expired. You may ask again.")
    assert permission(permitting, use="use_2")["behavior"] == "deny"
    assert Action.objects.count() == 2


def test_an_agent_asks_by_the_tool_that_only_those_have_who_need_it(
    address: str, permitting: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permissions, "PATIENCE", 45.0)
    tools = [one.name for one in talk(address, permitting.secret, lambda client: client.list_tools()).tools]
    assert tools == ["stripe_create_refund", "stripe_get_charge", "countersign_action", "countersign_withdraw",
                     "countersign_propose_grant", "countersign_grant_proposals", "countersign_permission"]  # fmt: skip
    wanted = {"tool_name": "Bash", "input": CALL, "tool_use_id": "use_1"}
    result = during(
        lambda: sign(permitting),
        lambda: talk(address, permitting.secret, lambda client: client.call_tool("countersign_permission", wanted)),
    )
    assert [json.loads(one.text) for one in result.content] == [ALLOW]
    assert (bool(result.is_error), result.structured_content) == (False, None)


def test_what_the_agent_does_itself_is_no_tool_of_ours(address: str, permitting: Asking) -> None:
    result = talk(address, permitting.secret, lambda client: client.call_tool("coding-agent_bash", CALL))
    assert (result.is_error, result.structured_content["code"]) == (True, "not_granted")
    listed = permitting.browser.get("/api/v1/operations").json()
    assert {one["operation"]: one["done_by"] for one in listed} == {
        **{f"coding-agent.{name}": "agent" for name in OWN},
        "stripe.create_refund": "console", "stripe.get_charge": "console",
    }  # fmt: skip


FORM = "Say what the tool is given as input, an object, and its use as tool_use_id."
NOT = {
    "a tool that is not granted": ({"tool": "WebFetch"}, "You are not granted the tool WebFetch."),
    "a tool of ours": ({"tool": "create_refund"}, "You are not granted the tool create_refund."),
    "no name": ({"tool": ""}, "Say the tool's name as tool_name."),
    "a name that is none": ({"tool": 1}, "Say the tool's name as tool_name."),
    "no input": ({"given": "ls"}, FORM),
    "no use": ({"use": {}}, FORM),
    "an argument too many": ({"given": {**CALL, "sudo": True}}, "Refused: bash has no argument 'sudo'."),
    "an argument too few": ({"given": {}}, "Refused: bash needs the argument 'command'."),
    "half a character": ({"given": {"command": "\ud800"}}, "A text holds a character that cannot be stored."),
    "no number": ({"given": {**CALL, "timeout": float("nan")}}, "The number nan is too large; send it as text."),
}


@pytest.mark.parametrize("name", NOT)
def test_what_is_wrong_is_denied(name: str, permitting: Asking) -> None:
    wrong, text = NOT[name]
    answer = permission(permitting, **wrong)  # type: ignore[arg-type]
    assert answer == deny(f"{text} Do not try it again.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["tool_name", "input", "tool_use_id", "behavior"]) | st.text(max_size=8)


@given(arguments=st.dictionaries(NAMES, JSON | st.sampled_from(["Bash", "Edit", {"command": "ls"}]), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_nothing_that_was_not_signed_is_ever_allowed(permitting: Asking, arguments: dict[str, Any]) -> None:
    who = identify(f"Bearer {permitting.secret}")
    assert who is not None
    answer = answer_permission(who, arguments)
    assert answer.keys() == {"behavior", "message"}
    assert answer["behavior"] == "deny"
    assert json.loads(json.dumps(answer)) == answer


def test_an_agent_without_the_grant_is_denied_though_another_has_it(permitting: Asking) -> None:
    permission(permitting)
    sign(permitting)
    revoke_grant(Grant.objects.get(integration__slug="coding-agent"), actor=acting("mira"))
    assert permission(permitting) == deny("You are not granted the tool Bash. Do not try it again.")


def test_while_the_database_is_away_nothing_is_allowed(
    address: str, permitting: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    permission(permitting)
    sign(permitting)

    def away(*_: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(permissions, "tools_of", away)
    wanted = {"tool_name": "Bash", "input": CALL, "tool_use_id": "use_1"}
    with pytest.raises(Exception, match=r"(?i)error"):
        talk(address, permitting.secret, lambda client: client.call_tool("countersign_permission", wanted))


def test_two_operations_for_one_tool_are_not_guessed_between(permitting: Asking) -> None:
    mira = acting("mira")
    other = describe_integration(DESCRIBED.replace("coding-agent", "other-agent"), base_url=AGENT, actor=mira)
    credential = store_credential(other, name="none", secret={}, actor=mira)
    give_grant(grantee=permitting.agent.grantee, operations=["bash"], credential=credential, actor=mira)
    assert permission(permitting) == deny("You are not granted the tool Bash. Do not try it again.")
    assert permission(permitting, "Write", {"file_path": "a", "content": "b"})["message"].startswith("Nothing was done")
