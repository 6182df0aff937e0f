"""What docs/approvals-api.md says of outcomes is what agents are answered."""

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from approvals import tasks
from approvals.models import Review
from approvals.publish import publish_policy
from approvals.sweep import expire_reviews
from approvals.tasks import drive
from console.agents.identify import identify
from console.core.clock import now
from console.gateway import permissions
from console.gateway.again import AGAIN, may_ask_again
from console.gateway.permissions import answer_permission
from examples.demo.people import acting
from examples.frameworks.asking import decision, permitted, told
from integrations.describe import revoke_grant
from integrations.models import Grant
from tests.gateway.conftest import Asking
from tests.gateway.test_actions import leave_alone
from tests.gateway.test_permissions import CALL, permitting
from tests.standins.fault_proxy import FaultProxy

__all__ = ["permitting"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "approvals-api.md").read_text()
BLOCKS: list[Any] = [json.loads(block) for block in re.findall(r"(?s)```json\n(.*?)```", PAGE)]
SHOWN = [one for one in BLOCKS if one.get("operation") == "payments.refund" and "settled" in one]
TOLD = {one["outcome"]["code"] if one["outcome"] else one["state"]: one for one in SHOWN}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)")
REASON = "Ask the customer first."


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what is another each time."""
    text = MOMENT.sub("2027-01-31T09:00:00Z", json.dumps(answer))
    text = re.sub(r"act_\w+", "act_1", re.sub(r"rev_\w+", "rev_1", text))
    text = text.replace("stripe.create_refund", "payments.refund").replace("stripe.cancel_", "payments.cancel_")
    given: dict[str, Any] = json.loads(text)
    body = given.get("outcome") and given["outcome"]["body"]
    if body and "permission" not in body:
        given["outcome"]["body"] = {"id": "re_1", "amount": body["amount"]}
    return given


def asked(asking: Asking) -> dict[str, Any]:
    asking.refund()
    asking.world.settle()
    return look(asking)


def look(asking: Asking) -> dict[str, Any]:
    return dict(asking.look(asking.action().pk).json())


def decide(asking: Asking, verdict: str = "approve", reason: str = "", who: str = "ana") -> dict[str, Any]:
    asking.world.sign(Review.objects.get(state="open"), who, verdict, reason)
    asking.world.settle()
    return look(asking)


def succeeded(asking: Asking) -> dict[str, Any]:
    asked(asking)
    return decide(asking)


def refused(asking: Asking) -> dict[str, Any]:
    asked(asking)
    return decide(asking, "refuse", REASON)


def denied(asking: Asking) -> dict[str, Any]:
    publish_policy("policy: none\nrules:\n- {id: no-money, when: {}, then: deny}\n", actor=acting("mira"))
    return asked(asking)


def expired(asking: Asking) -> dict[str, Any]:
    asked(asking)
    Review.objects.update(expires_at=now() - dt.timedelta(seconds=1))
    expire_reviews()
    return look(asking)


def withdrawn(asking: Asking) -> dict[str, Any]:
    asked(asking)
    asking.browser.post(f"/api/v1/actions/{asking.action().pk}/withdraw")
    return look(asking)


def stale(asking: Asking) -> dict[str, Any]:
    asked(asking)
    asking.world.sign(Review.objects.get())
    revoke_grant(Grant.objects.get(grantee=asking.agent.grantee, integration__slug="stripe"), actor=acting("mira"))
    asking.world.settle()
    return look(asking)


def failed(asking: Asking) -> dict[str, Any]:
    asking.ask(charge="ch_nowhere", amount=48_000)
    asking.world.settle()
    return look(asking)


ENDS: dict[str, Callable[[Asking], dict[str, Any]]] = {
    "held": asked, "succeeded": succeeded, "refused": refused, "denied": denied, "expired": expired,
    "withdrawn": withdrawn, "grant_ended": stale, "unprepared": failed,
}  # fmt: skip


@pytest.mark.parametrize("code", ENDS)
def test_each_outcome_is_as_the_page_says(code: str, asking: Asking) -> None:
    assert plain(ENDS[code](asking)) == TOLD[code]


def test_what_nobody_knows_is_as_the_page_says(
    asking: Asking, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks._WORK, "in_doubt", leave_alone)
    asking.refund()
    drive(asking.action().pk)
    asking.world.sign(Review.objects.get())
    proxy.cut_after("POST", "/v1/refunds")
    drive(asking.action().pk)
    assert plain(look(asking)) == TOLD["in_doubt"]


def test_a_permission_is_as_the_page_says(permitting: Asking) -> None:
    permitting.ask("coding-agent.bash", **CALL)
    permitting.world.settle()
    given = decide(permitting, who="sam")
    [shown] = [one for one in BLOCKS if "permission" in ((one.get("outcome") or {}).get("body") or {})]
    assert plain(given) == shown
    assert permitted(given) == CALL


def test_what_is_refused_at_once_is_as_the_page_says(asking: Asking) -> None:
    [shown] = [one for one in BLOCKS if "error" in one]
    answer = asking.ask("stripe.cancel_subscription", subscription="sub_1")
    assert (answer.status_code, plain(answer.json())) == (403, shown)


def test_every_outcome_is_on_the_page() -> None:
    assert (set(TOLD), len(SHOWN)) == ({*ENDS, "in_doubt"}, len(TOLD))


def test_a_permission_prompt_is_answered_as_the_page_says(permitting: Asking) -> None:
    who = identify(f"Bearer {permitting.secret}")
    assert who is not None
    [prompt] = [one for one in BLOCKS if "tool_name" in one]
    allow, deny = (one for one in BLOCKS if "behavior" in one)
    with patch.object(permissions, "PATIENCE", 0.0):
        answer_permission(who, prompt)
        permitting.world.settle()
        decide(permitting, "refuse", "The build is needed.", who="sam")
        assert answer_permission(who, prompt) == deny
        another = {**prompt, "tool_use_id": "toolu_2"}
        answer_permission(who, another)
        permitting.world.settle()
        permitting.world.sign(Review.objects.get(state="open"), "sam")
        permitting.world.settle()
        assert answer_permission(who, another) == allow


def test_requests_by_json_rpc_become_what_the_page_says(permitting: Asking) -> None:
    wanted = [one for one in BLOCKS if one.get("operation", "").startswith("coding-agent.") and "settled" not in one]
    assert [one["operation"] for one in wanted] == ["coding-agent.command", "coding-agent.file_change"]
    [request] = [one for one in BLOCKS if one.get("method", "").endswith("/requestApproval")]
    assert {name: request["params"][name] for name in wanted[0]["arguments"]} == wanted[0]["arguments"]
    for one in wanted:
        answer = permitting.ask(one["operation"], key=one["operation"], **one["arguments"])
        assert (answer.status_code, answer.json()["state"]) == (202, "proposed")


WORDS = {
    "held": "Not done yet (held). Do not ask for it again.",
    "succeeded": '{"id": "re_1", "amount": 48000}',
    "refused": f"Not done (refused, refused): {REASON} Do not try it again.",
    "denied": "Not done (refused, denied): The policy's rule no-money denies it. Do not try it again.",
    "expired": "Not done (expired, expired): Nobody signed in time. You may ask again.",
    "withdrawn": "Not done (withdrawn, withdrawn): Whoever asked for it took it back. Do not try it again.",
    "grant_ended": "Not done (stale, grant_ended): The grant or its credential has ended. Do not try it again.",
    "unprepared": "Not done (failed, unprepared): get_charge answered 404. Do not try it again.",
    "in_doubt": "Not done yet (in_doubt). Do not ask for it again.",
}


@pytest.mark.parametrize("code", WORDS)
def test_what_the_model_is_told_of_each_outcome(code: str) -> None:
    assert told(TOLD[code]) == WORDS[code]


@pytest.mark.parametrize("code", WORDS)
def test_no_outcome_but_a_permission_lets_a_program_run_its_tool(code: str) -> None:
    assert decision(TOLD[code], CALL) == {"decision": "decline"}
    with pytest.raises(PermissionError):
        permitted(TOLD[code])


def permission(expires: str) -> dict[str, Any]:
    body = {"permission": "given", "input": CALL, "expires": expires}
    return {"state": "succeeded", "settled": True, "outcome": {"code": "succeeded", "body": body}}


def test_a_program_is_let_run_its_tool_until_the_permission_ends() -> None:
    assert decision(permission("2999-01-01T00:00:00.000000Z"), CALL) == {"decision": "accept"}
    assert decision(permission("2026-01-01T00:00:00.000000Z"), CALL) == {"decision": "decline"}
    assert decision(permission("2999-01-01T00:00:00.000000Z"), {**CALL, "timeout": 2}) == {"decision": "decline"}


def test_the_model_is_told_of_what_was_done_otherwise() -> None:
    changed = {**TOLD["succeeded"], "changed": {"amount": 5}}
    assert told(changed) == 'It was done otherwise, with {"amount": 5}: {"id": "re_1", "amount": 48000}'


def codes_in_code() -> set[str]:
    """Of outcomes; some are written in another form."""
    text = "\n".join(file.read_text() for file in sorted((ROOT / "approvals").glob("*.py")))
    found = set(re.findall(r'Stale\(\s*"(\w+)"', text)) | set(re.findall(r'"code": "(\w+)"', text))
    return found | {"did_not_happen", "invalid_arguments", "unprepared"}


UNDOING = {"earlier_undo", "too_late"}  # which only people ask for


def test_every_code_is_on_the_page_with_whether_to_ask_again() -> None:
    rows = re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \| (?:`\w+`(?:, )?)+ \| (yes|no|–) \|", PAGE)
    shown = {code: again for codes, again in rows for code in re.findall(r"\w+", codes)}
    assert shown.keys() == codes_in_code() - UNDOING
    assert {code for code, again in shown.items() if again == "yes"} == AGAIN
    assert not any(may_ask_again(code) for code in (*UNDOING, "", "something new"))
