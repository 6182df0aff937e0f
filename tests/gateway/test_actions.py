"""An agent asks over HTTP: it is answered, held or refused, and nothing is done twice or by somebody else."""

import datetime as dt
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client

from approvals import tasks
from approvals.authority import Loaded
from approvals.models import Action
from approvals.propose import Proposal, propose
from approvals.tasks import drive
from audit.models import Record
from console.accounts.models import User
from console.agents.models import Agent, AgentToken
from console.agents.register import issue_agent_token, retire_agent, revoke_agent_token
from console.core.actor import Actor, system
from console.core.clock import now
from console.gateway import waiting
from examples.demo.people import acting
from integrations.models import Call
from tests.gateway.conftest import Asking, make_agent, refused
from tests.services import services
from tests.standins.fault_proxy import FaultProxy


def test_a_read_that_is_allowed_is_answered_with_what_was_read(asking: Asking) -> None:
    charge = asking.world.seeded.pair("large").later
    asked = asking.ask("stripe.get_charge", charge=charge)
    action = asking.action()
    assert (asked.status_code, asked["Location"]) == (202, f"/api/v1/actions/{action.id}")
    asking.world.settle()
    told = asking.look(action.id)
    assert told.status_code == 200
    assert (told.json()["state"], told.json()["outcome"]["body"]["id"]) == ("succeeded", charge)
    assert told.json()["review"] is None


def test_what_was_asked_of_the_agent_is_kept_as_its_word(asking: Asking) -> None:
    arguments = {"charge": asking.world.seeded.pair("large").later, "amount": 48_000}
    body = {"operation": "stripe.create_refund", "arguments": arguments, "request": "Put my bill right."}
    asking.browser.post("/api/v1/actions", body, content_type="application/json")
    asking.world.settle()
    action = asking.action()
    assert (action.request, action.says) == ("Put my bill right.", "")
    assert action.context["request"] == {"by": "agent", "text": "Put my bill right."}
    too_long = asking.browser.post("/api/v1/actions", {**body, "request": "x" * 4_001}, content_type="application/json")
    assert refused(too_long) == (422, "invalid")


def test_a_held_action_is_signed_done_once_and_collected(asking: Asking) -> None:
    asking.refund()
    asking.world.settle()
    held = asking.look(asking.action().id)
    review = asking.action().reviews.get()
    assert (held.status_code, held.json()["state"]) == (202, "held")
    assert (held.json()["review"]["id"], held.json()["review"]["state"]) == (review.id, "open")
    asking.world.sign(review)
    asking.world.settle()
    told = asking.look(asking.action().id).json()
    assert (told["state"], told["settled"], told["outcome"]["code"]) == ("succeeded", True, "succeeded")
    assert told["outcome"]["body"]["amount"] == 48_000
    assert len(asking.world.refunds()) == 1


def test_people_are_told_of_what_they_have_to_do_with_and_of_nothing_else(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[tuple[str, ...]]()
    monkeypatch.setattr("approvals.settle.changed", lambda _, *topics: told.append(topics))
    asking.ask("stripe.get_charge", charge=asking.world.seeded.pair("large").later)
    asking.world.settle()
    assert (asking.action().state, [*filter(None, told)]) == ("succeeded", [])
    held = Action.objects.get(pk=asking.refund().json()["id"])
    asking.world.settle()
    assert [*filter(None, told)] == [("reviews",)]
    asking.look(held.id)
    asking.browser.post(f"/api/v1/actions/{held.id}/withdraw")
    assert [*filter(None, told)] == [("reviews",)] * 2


def test_what_was_told_before_somebody_waited_for_it_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "HEARD", 2)
    monkeypatch.setattr(waiting, "_heard", {})
    for action in ("act_1", "act_2", "act_3"):
        waiting._tell(action)
    found = {}
    for action in ("act_1", "act_2", "act_3"):
        with waiting._notices(action) as noticed:
            found[action] = noticed.is_set()
    assert found == {"act_1": False, "act_2": True, "act_3": True}


def test_its_owner_cannot_sign_what_it_asks_for(asking: Asking) -> None:
    asking.refund()
    assert asking.action().makers == [User.objects.get(username="jonas").id]
    assert asking.action().grantee == "agent:helper"


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("stripe.cancel_subscription", {"subscription": "sub_1"}, (403, "not_granted")),
        ("stripe.create_refund", {"charge": "ch_1", "amount": "much"}, (422, "invalid_arguments")),
        ("stripe.create_refund", {"nobody": 1}, (422, "invalid_arguments")),
        ("stripe.nothing", {}, (404, "unknown_operation")),
        ("nowhere", {}, (404, "unknown_operation")),
    ],
)
def test_what_is_refused_at_once_says_why(
    asking: Asking, operation: str, arguments: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert refused(asking.ask(operation, **arguments)) == expected


def test_guesses_are_in_the_log(asking: Asking) -> None:
    for _ in range(3):
        asking.ask("stripe.nothing")
    assert Record.objects.filter(kind="audit:access:refused", actor=asking.agent.id).count() == 1


def test_what_is_not_granted_leaves_a_record_in_the_name_of_the_agent(asking: Asking) -> None:
    answer = asking.ask("stripe.cancel_subscription", subscription="sub_1")
    action = answer.json()["error"]["detail"]["action"]
    refusal = Record.objects.get(subject=action, kind="approvals:action:refused")
    assert (refusal.actor, b'"not_granted"' in bytes(refusal.leaf)) == (asking.agent.id, True)


def test_by_which_grant_it_was_asked_for_is_in_the_log(asking: Asking) -> None:
    granted, other = asking.refund().json(), asking.ask("stripe.list_charges").json()
    told = {one.subject: json.loads(bytes(one.leaf))["detail"]["grant"]
            for one in Record.objects.filter(kind="approvals:action:proposed")}  # fmt: skip
    assert told == {
        granted["id"]: Action.objects.get(pk=granted["id"]).grant_id,
        other["error"]["detail"]["action"]: "",
    }


def test_the_same_key_asks_once_and_for_one_thing(asking: Asking) -> None:
    first, again = asking.refund(key="k1"), asking.refund(key="k1")
    assert first.json()["id"] == again.json()["id"]
    assert refused(asking.ask(key="k1", charge="ch_other", amount=1)) == (422, "key_reused")
    assert refused(asking.ask("stripe.get_charge", key="k1", charge="ch")) == (422, "key_reused")
    assert Action.objects.count() == 1
    assert asking.refund(key="k2").json()["id"] != first.json()["id"]
    assert refused(asking.refund(key="k" * 256)) == (422, "invalid")


def test_two_at_once_with_one_key_ask_once(asking: Asking) -> None:
    def ask(_: int) -> str:
        try:
            return str(asking.refund(key="k1").json()["id"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(ask, range(12)))) == 1
    assert Action.objects.count() == 1


def test_keys_of_two_agents_are_two(asking: Asking) -> None:
    asking.refund(key="k1")
    other, _, secret = make_agent("other")
    answer = Asking(asking.world, other, asking.token, secret).refund(key="k1")
    assert refused(answer) == (403, "not_granted")


def during(work: Callable[[], object], waits: Callable[[], Any]) -> Any:
    """`work` begins once somebody waits; not at all where nobody does."""

    def begin() -> None:
        while not waiting._waiting:
            if over.wait(0.01):
                return
        try:
            work()
        finally:
            connections.close_all()

    over = threading.Event()
    thread = threading.Thread(target=begin)
    thread.start()
    try:
        return waits()
    finally:
        over.set()
        thread.join()


def test_with_wait_the_answer_comes_once_it_is_there(asking: Asking) -> None:
    charge = asking.world.seeded.pair("large").later
    told = during(asking.world.settle, lambda: asking.ask("stripe.get_charge", wait=30, charge=charge))
    assert (told.status_code, told.json()["state"]) == (200, "succeeded")
    assert told["Preference-Applied"] == "wait=30"


def test_asking_does_not_wait_for_people_but_looking_does(asking: Asking) -> None:
    told = during(asking.world.settle, lambda: asking.refund(wait=60))
    assert (told.status_code, told.json()["state"]) == (202, "held")

    def sign() -> None:
        asking.world.sign(asking.action().reviews.get())
        asking.world.settle()

    collected = during(sign, lambda: asking.look(asking.action().id, Prefer="respond-async, wait=60"))
    assert (collected.status_code, collected.json()["state"]) == (200, "succeeded")


def test_waiting_ends_when_its_time_is_over(asking: Asking) -> None:
    told = asking.refund(wait=1)
    assert (told.status_code, told.json()["state"]) == (202, "proposed")


def test_whoever_waits_holds_no_connection(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def closed(self: threading.Event, timeout: float | None = None) -> bool:
        if threading.get_ident() == here and timeout is not None:
            seen.append(connection.connection)
        return True

    action, here = asking.refund().json()["id"], threading.get_ident()
    monkeypatch.setattr(threading.Event, "wait", closed)
    asking.look(action, Prefer="wait=1")
    assert seen
    assert set(seen) == {None}


def test_what_has_not_begun_is_taken_back(asking: Asking) -> None:
    action = asking.refund().json()["id"]
    asking.world.settle()
    taken = asking.browser.post(f"/api/v1/actions/{action}/withdraw")
    assert (taken.status_code, taken.json()["state"]) == (200, "withdrawn")
    assert asking.action().reviews.get().state == "withdrawn"
    assert refused(asking.browser.post(f"/api/v1/actions/{action}/withdraw")) == (409, "conflict")


def test_actions_of_others_do_not_exist(asking: Asking) -> None:
    other, token, secret = make_agent("other")
    stranger = Asking(asking.world, other, token, secret)
    action = asking.refund().json()["id"]
    assert refused(stranger.look(action)) == (404, "not_found")
    assert refused(stranger.browser.post(f"/api/v1/actions/{action}/withdraw")) == (404, "not_found")
    of_a_run = Proposal(asking.agent.team_id, "stripe.get_charge", {"charge": "c"}, "workflow:billing-care", [])
    assert refused(asking.look(propose(of_a_run, actor=system("worker")).id)) == (404, "not_found")


def test_operations_are_those_granted_with_one_schema(asking: Asking) -> None:
    listed = asking.browser.get("/api/v1/operations").json()
    assert [(one["operation"], one["tool"], one["effect"]) for one in listed] == [
        ("stripe.create_refund", "stripe_create_refund", "write"),
        ("stripe.get_charge", "stripe_get_charge", "read"),
    ]
    schema = listed[1]["arguments"]
    assert (schema["required"], schema["additionalProperties"]) == (["charge"], False)


ENDS: dict[str, Callable[[Asking], object]] = {
    "revoked": lambda asking: revoke_agent_token(asking.token, actor=acting("mira")),
    "retired": lambda asking: retire_agent(asking.agent, actor=acting("mira")),
    "without an owner": lambda asking: User.objects.filter(username="jonas").update(
        is_active=False, deactivated_at=now()),
    "expired": lambda asking: superuser("UPDATE agents_agenttoken SET created_at = now() - interval '9 days', "
                                        "expires_at = now() - interval '1 day'"),
    "of another owner": lambda asking: superuser("UPDATE agents_agent SET owner_id = (SELECT id FROM accounts_user "
                                                 "WHERE username = 'ana')"),
    "of a forged token": lambda asking: superuser("UPDATE agents_agenttoken SET expires_at = now() + '1 year'"),
}  # fmt: skip


def superuser(statement: str) -> None:
    with services().superuser(connection.settings_dict["NAME"]) as session:
        session.execute("SET session_replication_role = replica")  # past our triggers
        session.execute(statement.encode())


@pytest.mark.parametrize("end", ENDS)
def test_a_token_that_has_ended_or_was_altered_is_nobodys(end: str, asking: Asking) -> None:
    assert asking.browser.get("/api/v1/operations").status_code == 200
    ENDS[end](asking)
    assert refused(asking.refund()) == (401, "not_signed_in")
    assert not Action.objects.exists()
    alarms = Record.objects.filter(kind="console:alarm:tampered", subject=asking.agent.id)
    assert alarms.exists() == (end in ("of another owner", "of a forged token"))


STOPS: dict[str, Callable[[Asking], object]] = {
    "agent_retired": lambda asking: retire_agent(asking.agent, actor=acting("mira")),
    "token_revoked": lambda asking: revoke_agent_token(asking.token, actor=acting("mira")),
}


def leave_alone(loaded: Loaded, *, actor: Actor) -> Action:
    return loaded.action


@pytest.mark.parametrize("why", STOPS)
def test_what_an_agent_that_is_stopped_had_asked_for_goes_no_further(
    why: str, asking: Asking, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks._WORK, "in_doubt", leave_alone)
    asking.refund()
    drive(asking.action().pk)
    asking.world.sign(asking.world.review(large=True))
    proxy.cut_after("POST", "/v1/refunds")
    drive(asking.action().pk)
    assert asking.action().state == "in_doubt"
    asking.refund("apart")
    waiting = Action.objects.exclude(state="in_doubt").get()
    drive(waiting.pk)
    STOPS[why](asking)
    waiting.refresh_from_db()
    assert waiting.state == "withdrawn"
    call = Call.objects.get()
    assert call.revoked_at is not None
    told = json.loads(bytes(Record.objects.get(kind="integrations:lease:revoked").leaf))["detail"]
    assert (told["why"], told["credential"]) == (why, call.credential_id)


def test_one_token_of_two_stops_nothing(asking: Asking) -> None:
    issue_agent_token(asking.agent, expires=now() + dt.timedelta(days=1), actor=acting("mira"))
    asking.refund()
    revoke_agent_token(asking.token, actor=acting("mira"))
    assert asking.action().state == "proposed"


def test_an_end_is_final_in_the_database_too(asking: Asking) -> None:
    revoke_agent_token(asking.token, actor=acting("mira"))
    retire_agent(asking.agent, actor=acting("mira"))
    for row, ended in ((AgentToken, "revoked_at"), (Agent, "retired_at")):
        with pytest.raises(Exception, match="its end is final"):
            row.objects.update(**{ended: None})
    with pytest.raises(Exception, match="only its end may be written"):
        Agent.objects.update(slug="somebody-else")


def test_a_session_opens_nothing_here_and_a_token_nothing_elsewhere(asking: Asking) -> None:
    mira = Client(headers={"host": "localhost"})
    mira.force_login(User.objects.get(username="mira"))
    assert refused(mira.get("/api/v1/operations")) == (403, "forbidden")
    assert refused(mira.post("/api/v1/actions", {}, content_type="application/json")) == (403, "forbidden")
    for address in ("/api/v1/runs", "/api/v1/reviews", "/api/v1/records"):
        assert refused(asking.browser.get(address)) == (401, "not_signed_in")
    assert asking.browser.get("/reviews/").status_code == 302


def test_the_sheet_shows_an_agents_evidence_as_the_agents(asking: Asking) -> None:
    body = {"operation": "stripe.create_refund", "says": "Sign <b>now</b>.",
            "arguments": {"charge": asking.world.seeded.pair("large").later, "amount": 48_000},
            "evidence": [{"title": "Order", "value": {"id": "A-1", "paid": "twice"}}]}  # fmt: skip
    asked = asking.browser.post("/api/v1/actions", body, content_type="application/json")
    assert asked.status_code == 202
    asking.world.settle()
    ana = Client(headers={"host": "localhost"})
    ana.force_login(User.objects.get(username="ana"))
    page = " ".join(ana.get(f"/reviews/{asking.action().reviews.get().id}/").content.decode().split())
    assert "Prepared by the agent <b><bdi>helper</bdi></b>" in page
    assert "as the agent gave it, and nobody else has read it" in page
    assert "as the run read it" not in page
    assert "Sign &lt;b&gt;now&lt;/b&gt;." in page


def nested(levels: int) -> Any:
    return [nested(levels - 1)] if levels else 1


@pytest.mark.parametrize(
    "other",
    [
        {"evidence": [{"title": "x"}]},
        {"evidence": [{"title": "x", "value": 1, "more": 2}]},
        {"operation": "stripe\0.create_refund"},
        {"operation": "stripe.\ud800"},
        {"says": "a\0"},
        {"arguments": {"charge": "\0"}},
        {"after": "act_\0"},
        {"arguments": {"charge": nested(700)}},
        {"evidence": [{"title": "x", "value": nested(450)}]},
    ],
)
def test_rubbish_is_refused_and_stored_nowhere(asking: Asking, other: dict[str, Any]) -> None:
    body = {"operation": "stripe.create_refund", "arguments": {}} | other
    answer = asking.browser.post("/api/v1/actions", json.dumps(body), content_type="application/json")
    assert (answer.status_code, Action.objects.exists()) == (422, False)
