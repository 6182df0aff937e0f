"""Autonomous Action Runtime Management, requirement by requirement, asked of a running console from outside: by HTTP
and MCP. What is not met is in docs/conformance-aarm.md; nothing here pretends otherwise."""

import asyncio
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from console.home.processes import ROOT
from tests.conformance.conftest import Outside, Person
from tests.services import ORIGIN
from tests.stack import wait_until

SENDING = "integrations:call:sending"


def ended(outside: Outside, agent: str, action: str) -> tuple[str, str]:
    told = outside.look(agent, action, wait=20)
    return told["state"], told["outcome"]["code"] if told["outcome"] else ""


def subscription(outside: Outside) -> dict[str, str]:
    return {"subscription": outside.seeded.subscriptions["studio"]}


# R1: interception before execution.


def test_r1_what_is_denied_has_no_effect_and_a_record_of_why(outside: Outside) -> None:
    denied = outside.ask("forbidden", "cancel_subscription", arguments=subscription(outside)).json()
    assert (denied["state"], denied["outcome"]["code"]) == ("refused", "denied")
    assert denied["outcome"]["text"] == "Contracts are ended by people."
    told = outside.receipt(denied["id"], "approvals:action:refused")
    assert {name: told["decision"][name] for name in ("effect", "rule")} == {"effect": "deny", "rule": "forbidden"}
    assert not outside.calls_of(denied["id"])


def test_r1_without_the_console_or_its_door_nothing_is_done(outside: Outside) -> None:
    charge = {"charge": outside.seeded.pair("apart").later}
    outside.stack.kill("door")
    asked = outside.ask("reader", "get_charge", arguments=charge, wait=1).json()
    assert asked["state"] == "proposed"
    outside.stack.kill("web")
    with pytest.raises(httpx.ConnectError):
        outside.ask("reader", "get_charge", arguments=charge)
    outside.stack.start("web", "door")
    assert ended(outside, "reader", asked["id"]) == ("succeeded", "succeeded")


# R2 and R3: what was done before, and policies that look at it.


def test_r2_r3_what_was_asked_for_before_decides_with_the_rules(outside: Outside) -> None:
    first, second = outside.refund("spender", 3_000), outside.refund("spender", 3_100)
    assert (first["state"], second["state"], second["outcome"]["text"]) == ("held", "refused", "Enough for today.")
    assert outside.refund("asker", 3_100)["state"] == "held"  # the same, in another session


def test_r3_values_are_checked_before_any_rule(outside: Outside) -> None:
    charge = outside.seeded.pair("apart").later
    for wrong in ({"charge": charge, "amount": "much"}, {"charge": charge, "unknown": 1}, {"amount": -5}):
        answer = outside.ask("asker", arguments=wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_arguments")


# R4: five decisions.


def test_r4_allow_is_done_unchanged(outside: Outside) -> None:
    charge = outside.seeded.pair("apart").later
    told = outside.ask("reader", "get_charge", arguments={"charge": charge}).json()
    assert (told["state"], told["outcome"]["body"]["id"], told["changed"]) == ("succeeded", charge, None)


def test_r4_modify_is_done_as_changed(outside: Outside, ana: Person) -> None:
    asked = outside.refund("careful", 2_000, "small")
    assert asked["changed"]["amount"] == 1_000
    ana.decide(asked["review"]["id"], "approve")
    assert ended(outside, "careful", asked["id"]) == ("succeeded", "succeeded")
    assert outside.refunds("small") == [1_000]


def test_r4_step_up_waits_for_people_and_does_as_they_say(outside: Outside, ana: Person) -> None:
    agreed, refused = outside.refund("asker", 700, "large"), outside.refund("asker", 800, "large")
    assert [one["state"] for one in (agreed, refused)] == ["held", "held"]
    assert outside.refunds("large") == []
    shown = outside.read("ana", f"reviews/{agreed['review']['id']}")
    assert {"sentence", "facts", "says", "ruling", "requirement", "action_digest"} <= shown.keys()
    ana.decide(agreed["review"]["id"], "approve")
    ana.decide(refused["review"]["id"], "refuse", "Not twice.")
    assert ended(outside, "asker", agreed["id"]) == ("succeeded", "succeeded")
    assert ended(outside, "asker", refused["id"]) == ("refused", "refused")
    assert outside.refunds("large") == [700]


def test_r4_defer_holds_what_depends_on_it_alone_and_ends(outside: Outside, ana: Person) -> None:
    first = outside.refund("patient", 2_000)
    deferred = outside.refund("patient", 2_100, wait=1)
    assert (deferred["state"], deferred["deferred"]["missing"]) == ("deferred", "An end of the refund before it")
    behind = outside.refund("patient", 100, after=deferred["id"], wait=1)
    assert behind["state"] == "proposed"
    assert outside.refund("asker", 100)["state"] == "held"  # and nobody else waits
    ana.decide(first["review"]["id"], "refuse", "No.")
    wait_until(lambda: outside.look("patient", deferred["id"])["state"] == "held", "what was missing is there")
    going_on = outside.look("patient", deferred["id"])
    ana.decide(going_on["review"]["id"], "refuse", "No.")
    wait_until(lambda: outside.look("patient", behind["id"])["settled"], "what depends on it ends with it")
    assert ended(outside, "patient", behind["id"]) == ("refused", "earlier_action")
    reasons = outside.receipt(deferred["id"], "approvals:action:deferred")
    assert (reasons["decision"]["effect"], reasons["detail"]["missing"]) == ("defer", "An end of the refund before it")
    kept = {outside.receipt(deferred["id"], f"approvals:action:{state}")["actor"]["on_behalf_of"]
            for state in ("proposed", "deferred", "held", "refused")}  # fmt: skip
    assert len(kept) == 1


def test_r4_a_cascade_is_bounded(outside: Outside) -> None:
    last, answers = None, list[httpx.Response]()
    for _ in range(11):
        arguments = {"charge": outside.seeded.pair("apart").later, "amount": 1}
        answers.append(outside.ask("chained", arguments=arguments, wait=0, **({"after": last} if last else {})))
        last = answers[-1].json().get("id")
    assert [answer.status_code for answer in answers] == [202] * 10 + [422]
    assert answers[-1].json()["error"]["code"] == "chain_too_long"


@pytest.mark.long
def test_r4_silence_denies(outside: Outside) -> None:
    """A minute is the shortest time that a policy can give."""
    unanswered, before, deferred = (outside.refund(agent, 2_000, wait=1) for agent in ("unanswered", "hasty", "hasty"))
    assert [one["state"] for one in (unanswered, before, deferred)] == ["held", "held", "deferred"]
    assert until_settled(outside, "unanswered", unanswered["id"]) == ("expired", "expired")
    assert until_settled(outside, "hasty", deferred["id"]) == ("refused", "deferred_too_long")
    assert outside.receipt(deferred["id"], "approvals:action:refused")["outcome"] == "deferred_too_long"
    assert not outside.calls_of(unanswered["id"])


def until_settled(outside: Outside, agent: str, action: str) -> tuple[str, str]:
    wait_until(lambda: outside.look(agent, action, wait=20)["settled"], "its time is over", seconds=150)
    return ended(outside, agent, action)


# R5 and R6: receipts, and whose they are.


def test_r5_receipts_are_checked_offline_and_hold_no_change(outside: Outside, theo: Person, tmp_path: Path) -> None:
    asked = outside.refund("asker", 600, "large")
    held = outside.receipt(asked["id"], "approvals:action:held")
    bundle = theo.export("bundle", tmp_path / "bundle.zip", holding=held["id"])
    policy = held["decision"]["policy_digest"]
    changes = {"nothing": ("", ""), "who": ("agent:asker", "agent:other"), "by what policy": (policy, "0" * 64)}
    found = {name: verified(rewritten(bundle, tmp_path / "again.zip", *change)) for name, change in changes.items()}
    assert found == {"nothing": True, "who": False, "by what policy": False}


def rewritten(bundle: Path, file: Path, old: str, new: str) -> Path:
    """With something changed in its records, and in its list of files what fits that."""
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(file, "w") as target:
        leaves = source.read("leaves.jsonl").replace(old.encode(), new.encode()) if old else source.read("leaves.jsonl")
        manifest = json.loads(source.read("manifest.json"))
        manifest["files"]["leaves.jsonl"] = {"bytes": len(leaves), "sha256": hashlib.sha256(leaves).hexdigest()}
        changed = {"leaves.jsonl": leaves, "manifest.json": json.dumps(manifest).encode()}
        for name in source.namelist():
            target.writestr(name, changed.get(name) or source.read(name))
    return file


def verified(bundle: Path) -> bool:
    """By nothing but Python, and the file that lies in each bundle too."""
    command = [sys.executable, "-I", str(ROOT / "audit" / "verify.py"), str(bundle)]
    return subprocess.run(command, cwd=bundle.parent, capture_output=True, check=False, env={}).returncode == 0


def test_r5_r6_receipts_say_who_by_what_and_why(outside: Outside, ana: Person) -> None:
    asked = outside.refund("asker", 500, "large")
    ana.decide(asked["review"]["id"], "approve")
    assert ended(outside, "asker", asked["id"]) == ("succeeded", "succeeded")
    proposed, held, done = (outside.receipt(asked["id"], f"approvals:action:{state}")
                            for state in ("proposed", "held", "succeeded"))  # fmt: skip
    assert (proposed["actor"]["type"], proposed["detail"]["grantee"]) == ("agent", "agent:asker")
    assert proposed["actor"]["on_behalf_of"].startswith("usr_")
    assert proposed["detail"]["grant"].startswith("grt_")
    assert (done["actor"]["type"], done["actor"]["id"]) == ("system", "door")
    assert {"effect": "review", "rule": "people"}.items() <= held["decision"].items()
    assert all(held["decision"][name] for name in ("policy_version", "policy_digest"))
    assert (done["outcome"], done["detail"]["status"]) == ("succeeded", 200)
    [call] = outside.calls_of(asked["id"])
    assert call["detail"]["request_digest"] == held["detail"]["request_digest"]
    decided = next(one for one in outside.receipts("approvals:decision:made") if one["detail"]["of"] == asked["id"])
    assert (decided["actor"]["type"], decided["decision"]["effect"]) == ("human", "approve")
    others = outside.receipt(outside.refund("spender", 1)["id"], "approvals:action:proposed")
    assert others["actor"]["id"] != proposed["actor"]["id"]


def test_r6_without_a_known_identity_nothing_is_asked_for(outside: Outside) -> None:
    for said in ("", "Bearer x", f"Bearer {outside.tokens['ana']}"):
        headers = {"Authorization": said} if said else {}
        body = {"operation": "stripe.get_charge", "arguments": {}}
        assert httpx.post(f"{ORIGIN}/api/v1/actions", json=body, headers=headers).status_code in {401, 403}


# R8: telemetry.


def test_r8_records_go_out_in_a_standard_schema(outside: Outside, theo: Person, tmp_path: Path) -> None:
    asked = outside.refund("asker", 400, "large")
    with zipfile.ZipFile(theo.export("ocsf", tmp_path / "events.zip", holding=asked["id"])) as archive:
        lines = [
            line for name in archive.namelist() if name.endswith(".jsonl") for line in archive.read(name).splitlines()
        ]
    events = [json.loads(line) for line in lines]
    assert {event["metadata"]["version"] for event in events} == {"1.6.0"}
    assert any(asked["id"] in line.decode() for line in lines)


# R9: least privilege.


def test_r9_who_may_read_can_do_nothing_else(outside: Outside) -> None:
    assert [tool for tool in tools(outside.agents["reader"]) if not tool.startswith("countersign_")] == [
        "stripe_get_charge"
    ]
    answer = outside.ask("reader", arguments={"charge": outside.seeded.pair("apart").later, "amount": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_granted")


def tools(secret: str) -> list[str]:
    async def talk() -> list[str]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {secret}"}, timeout=40) as http,
            Client(streamable_http_client(f"{ORIGIN}/mcp", http_client=http)) as client,
        ):
            return [tool.name for tool in (await client.list_tools()).tools]

    return asyncio.run(talk())
