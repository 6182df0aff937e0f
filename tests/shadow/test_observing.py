"""What would have become of a call is what becomes of it when it is asked for; and nothing becomes of a copy."""

import datetime as dt
import json
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from django.db import ProgrammingError, connection

from approvals.models import Action
from approvals.policies.document import parse
from approvals.publish import publish_policy
from audit.models import Record
from audit.vocabulary import Kind
from console.agents.identify import identify
from console.agents.models import Agent
from console.agents.observe import begin_observing, end_observing
from console.agents.register import issue_agent_token, retire_agent
from console.core.clock import now
from console.core.errors import Conflict, Forbidden
from console.shadow import take
from console.shadow.models import Observation
from console.shadow.propose import propose_limits
from console.shadow.report import report
from examples.demo.people import acting
from examples.demo.seed import read
from integrations.describe import describe_integration, give_grant
from integrations.models import Credential, Integration
from tests.gateway.conftest import Asking, refused
from tests.gateway.test_raw import send
from tests.pages.conftest import everything_but_the_log
from tests.shadow.conftest import FORM, Watched, copy

DENYING = {
    "id": "no-ends",
    "when": {"operation": ["stripe.cancel_subscription"]},
    "then": "deny",
    "reason": "Not here.",
}


def form(**fields: object) -> str:
    return urlencode(fields)


def of_the_world(asking: Asking) -> list[tuple[str, str, str]]:
    """Requests with every end that there is."""
    charge = asking.world.seeded.pair("large").later
    subscription = asking.world.seeded.subscriptions["studio"]
    return [
        ("GET", f"/v1/charges/{charge}", ""),
        ("GET", "/v1/charges?limit=5", ""),
        ("GET", "/v1/charges?limit=50", ""),
        ("GET", "/v1/charges?limit=5000", ""),
        ("GET", "/v1/charges?limit=5&colour=blue", ""),
        ("GET", "/v1/customers/cus_1", ""),
        ("GET", "/v1/nothing/at/all", ""),
        ("GET", "/v1/charges/a%2Fb", ""),
        ("POST", "/v1/refunds", form(charge=charge, amount=48_000)),
        ("POST", "/v1/refunds", form(charge=charge, amount=0)),
        ("DELETE", f"/v1/subscriptions/{subscription}", ""),
    ]


def really(asking: Asking, method: str, path: str, body: str) -> tuple[str, str]:
    known = set(Action.objects.values_list("pk", flat=True))
    headers = [("content-type", FORM["content-type"])] if body else []
    told = send(asking, method, f"/raw/stripe{path}", ("Prefer", "wait=0"), *headers, body=body.encode())
    asking.world.settle()
    action = Action.objects.exclude(pk__in=known).first()
    if action is None:
        return "refused", told.code
    ends = {"succeeded": "allowed", "failed": "allowed", "held": "held", "refused": "refused"}
    return ends[action.state], (action.outcome or {})["code"] if action.state == "refused" else ""


def test_what_is_reported_is_what_becomes_of_the_same_requests_asked_for(watched: Watched) -> None:
    asking, admin = watched.asking, acting("mira")
    document = yaml.safe_load(read("policies/demo.yaml"))
    publish_policy(yaml.safe_dump({**document, "rules": [DENYING, *document["rules"]]}), actor=admin)
    limits = {"arguments": {"limit": {"at_most": 10}}}
    for operations, limit in ((["list_charges"], limits), (["cancel_subscription"], {})):
        give_grant(
            grantee=asking.agent.grantee, operations=operations, credential=Credential.objects.get(), limits=limit,
            actor=admin,
        )  # fmt: skip
    requests = of_the_world(asking)
    rows = watched.seen(*(copy(method, path, body=body) for method, path, body in requests))
    told = [(row.verdict, row.code) for row in rows]
    end_observing(asking.agent, actor=admin)
    asked = [really(asking, *request) for request in requests]
    # Where there is nothing, the raw face says no more than that nothing is granted.
    assert told == [("unknown", "no_operation") if one == 6 else end for one, end in enumerate(asked)]
    assert [end for end, _ in told] == [
        "allowed", "allowed", "refused", "refused", "refused", "refused", "unknown", "refused", "held", "refused",
        "refused",
    ]  # fmt: skip
    assert [code for _, code in told] == [
        "", "", "beyond_grant", "beyond_grant", "not_understood", "not_granted", "no_operation", "ambiguous_request",
        "", "invalid_arguments", "denied",
    ]  # fmt: skip
    assert [rows[one].rule for one in (0, 10)] == ["reads", "no-ends"]


def test_nothing_is_done_because_of_a_copy(watched: Watched) -> None:
    watched.show(copy("GET", "/v1/charges?limit=5"))  # the token was used, from now on
    before = everything_but_the_log()
    watched.seen(*(copy(method, path, body=body) for method, path, body in of_the_world(watched.asking)))
    after = everything_but_the_log()
    assert {table for table in after if after[table] != before[table]} == {"shadow_observation"}
    records = Record.objects.filter(kind=Kind.OBSERVATIONS_TAKEN).order_by("id")
    assert [json.loads(bytes(one.leaf))["detail"]["count"] for one in records] == [1, 11]


def test_an_agent_that_is_observed_asks_for_nothing(watched: Watched) -> None:
    assert refused(watched.asking.refund()) == (409, "observed")
    told = send(watched.asking, "GET", f"/raw/stripe/v1/charges/{watched.asking.world.seeded.pair('large').later}")
    assert (told.status, told.code) == (409, "observed")
    assert not Action.objects.exists()


def test_one_that_is_not_observed_shows_nothing(watched: Watched) -> None:
    end_observing(watched.asking.agent, actor=acting("mira"))
    assert refused(watched.show(copy("GET", "/v1/charges"))) == (409, "not_observed")
    assert not Observation.objects.exists()


def test_a_token_that_was_made_meanwhile_ends_with_it(watched: Watched) -> None:
    agent, admin = watched.asking.agent, acting("mira")
    _, secret = issue_agent_token(agent, expires=now() + dt.timedelta(days=1), actor=admin)
    assert identify(f"Bearer {secret}") is not None
    assert end_observing(agent, actor=admin) == 1
    assert (identify(f"Bearer {secret}"), identify(f"Bearer {watched.asking.secret}") is None) == (None, False)
    with pytest.raises(Conflict):
        end_observing(agent, actor=admin)


def test_who_may_observe(watched: Watched) -> None:
    agent = watched.asking.agent
    for act in (begin_observing, end_observing, take.forget):
        with pytest.raises(Forbidden):
            act(agent, actor=acting("ana"))
    end_observing(agent, actor=acting("mira"))
    retire_agent(agent, actor=acting("mira"))
    with pytest.raises(Conflict):
        begin_observing(agent, actor=acting("mira"))
    kinds = Record.objects.of(agent.pk).filter(kind__startswith="agents:agent:").order_by("id")
    assert [one.kind.rpartition(":")[2] for one in kinds] == ["created", "observing", "acting", "retired"]


def test_a_copy_counts_once(watched: Watched) -> None:
    first, second = copy("GET", "/v1/charges"), copy("GET", "/v1/charges")
    assert watched.show(first, first).json() == {"taken": 1}
    assert watched.show(first, second).json() == {"taken": 1}
    assert watched.show(first).json() == {"taken": 0}
    assert Observation.objects.count() == 2


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"id": "short"}, (422, "invalid")),
        ({"method": "get\r\n"}, (422, "invalid")),
        ({"origin": "https://user:pass@api.example.com"}, (422, "invalid")),
        ({"path": "/" + "x" * 70_000}, (422, "invalid")),
        ({"body": "x" * 600_001}, (422, "invalid")),
        ({"at": "2026-01-01T00:00:00"}, (422, "invalid")),
        ({"kind": "ftp"}, (422, "invalid")),
        ({"status": 1_000_000}, (422, "invalid")),
    ],
)  # fmt: skip
def test_a_copy_that_is_none_is_refused(watched: Watched, more: dict[str, Any], expected: tuple[int, str]) -> None:
    assert refused(watched.show(copy("GET", "/v1/charges") | more)) == expected


def test_how_much_is_taken(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(watched.show(*(copy("GET", "/v1/charges") for _ in range(101)))) == (422, "invalid")
    large = [copy("GET", "/v1/charges", body="x" * 300_000) for _ in range(8)]
    assert refused(watched.show(*large)) == (413, "too_large")
    monkeypatch.setattr(take, "MOST_A_DAY", 2)
    watched.seen(copy("GET", "/v1/charges"), copy("GET", "/v1/charges"))
    assert refused(watched.show(copy("GET", "/v1/charges"))) == (429, "too_many_observations")


def test_a_clock_that_is_wrong_is_not_believed(watched: Watched) -> None:
    rows = watched.seen(
        copy("GET", "/v1/charges", at="2001-01-01T00:00:00Z"), copy("GET", "/v1/x", at="2101-01-01T00:00:00Z")
    )
    assert all(abs(row.seen_at - now()) < dt.timedelta(days=8) for row in rows)


def test_a_body_that_was_not_copied_leaves_the_operation_and_no_verdict(watched: Watched) -> None:
    [row] = watched.seen(copy("POST", "/v1/refunds", body="", left_out="too_long"))
    assert (row.name, row.verdict, row.code) == ("stripe.create_refund", "unknown", "not_copied")


def test_a_credential_that_stood_in_the_query_is_no_argument(watched: Watched) -> None:
    [row] = watched.seen(copy("GET", "/v1/charges?limit=5&token=-removed-", removed=["token"]))
    assert (row.name, row.values) == ("stripe.list_charges", {"limit": {"value": 5}})


def test_a_removed_value_is_not_held_against_the_call_nor_kept(watched: Watched) -> None:
    body = form(charge="-removed-", amount=5)
    [row] = watched.seen(copy("POST", "/v1/refunds", body=body, removed=["charge"]))
    assert (row.verdict, row.values) == ("held", {"charge": {"is": "removed"}, "amount": {"value": 5}})


def test_limits_over_time_count_what_was_seen(watched: Watched) -> None:
    agent = watched.asking.agent
    give_grant(
        grantee=agent.grantee, operations=["list_charges"], credential=Credential.objects.get(),
        limits={"calls": {"at_most": 2, "hours": 1}}, actor=acting("mira"),
    )  # fmt: skip
    at = [(now() - dt.timedelta(minutes=minutes)).isoformat() for minutes in (90, 20, 10, 0)]
    rows = watched.seen(*(copy("GET", "/v1/charges", at=one) for one in at))
    assert [row.code for row in rows] == ["", "", "", "beyond_grant"]


def test_an_address_with_nothing_connected_is_named_without_its_ids(watched: Watched) -> None:
    rows = watched.seen(
        copy(
            "GET", "/v2/things/12345/parts/9f8e7d6c-0000-4000-8000-000000000000?x=1", origin="https://other.example.com"
        ),
        copy("POST", "/send", origin="https://OTHER.example.com:443"),
    )
    assert [(row.place, row.code) for row in rows] == [
        ("GET https://other.example.com/v2/things/{}/parts/{}", "no_integration"),
        ("POST https://OTHER.example.com:443/send", "no_integration"),
    ]


def test_the_longest_base_url_is_meant(watched: Watched) -> None:
    base = Integration.objects.get(slug="stripe").base_url
    below = read("integrations/stripe.yaml").replace("integration: stripe", "integration: below")
    describe_integration(below, base_url=f"{base}/below", actor=acting("mira"))
    rows = watched.seen(*(copy("GET", path) for path in ("/v1/charges", "/below/v1/charges", "/belowv1/charges")))
    assert [row.integration for row in rows] == ["stripe", "below", "stripe"]


def test_what_was_seen_is_never_altered_and_forgotten_as_a_whole(watched: Watched) -> None:
    watched.seen(copy("GET", "/v1/charges"))
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute("UPDATE shadow_observation SET verdict = 'allowed'")
    assert take.forget(watched.asking.agent, actor=acting("mira")) == 1


def test_the_old_is_forgotten_by_itself(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.seen(copy("GET", "/v1/charges"))
    assert take.forget_old() == 0
    monkeypatch.setattr(take, "KEPT_FOR", dt.timedelta(0))
    assert take.forget_old() == 1


# What is proposed


def test_the_proposed_grants_and_policy_give_what_the_report_says(watched: Watched) -> None:
    """Published and given, the same calls are ruled as it was said."""
    admin, charge = acting("mira"), watched.asking.world.seeded.pair("large").later
    agent: Agent = watched.asking.agent
    publish_policy("policy: strict\nrules:\n- {id: nothing, when: {}, then: deny}\n", actor=admin)
    calls = [("GET", f"/v1/charges?limit={limit}", "") for limit in (5, 7, 9)]
    calls += [("GET", f"/v1/charges/{charge}", "")] * 3 + [("GET", "/v1/customers/cus_1", "")]
    calls += [("POST", "/v1/refunds", form(charge=charge, amount=amount)) for amount in (100, 250)]
    calls += [("GET", "/v1/nothing", ""), ("GET", "/v1/charges?limit=5000", "")]
    watched.seen(*(copy(method, path, body=body) for method, path, body in calls))
    made = report(agent, 7)
    assert made.totals == [("allowed", 0, 7), ("held", 0, 2), ("refused", 10, 1), ("unknown", 1, 1)]
    assert {row.name: row.limits for row in made.rows} == {
        "stripe.create_refund": None, "stripe.get_charge": None, "stripe.get_customer": {},
        "stripe.list_charges": {"arguments": {"limit": {"at_least": 5, "at_most": 9}}},
    }  # fmt: skip
    assert parse(made.policy)["rules"] == [
        {"id": "seen-helper-reads", "label": "Seen while agent:helper was observed",
         "when": {"agent": ["helper"],
                  "operation": ["stripe.get_charge", "stripe.get_customer", "stripe.list_charges"]}, "then": "allow"},
        {"id": "seen-helper-writes", "label": "Seen while agent:helper was observed",
         "when": {"agent": ["helper"], "operation": ["stripe.create_refund"]}, "then": "review",
         "review": {"slots": [{"group": "admins"}], "signature": "passkey", "expires_minutes": 240}},
        {"id": "nothing", "when": {}, "then": "deny"},
    ]  # fmt: skip
    publish_policy(made.policy, actor=admin)
    for row in made.rows:
        if row.limits is not None:
            give_grant(
                grantee=agent.grantee, operations=[row.row.slug], credential=Credential.objects.get(),
                limits=row.limits, actor=admin,
            )  # fmt: skip
    again = watched.seen(*(copy(method, path, body=body) for method, path, body in calls))
    counted = {verdict: sum(row.verdict == verdict for row in again) for verdict, _, _ in made.totals}
    assert [(verdict, counted[verdict]) for verdict, _, _ in made.totals] == [
        (verdict, then) for verdict, _, then in made.totals
    ]
    take.forget(agent, actor=admin)
    watched.seen(*(copy(method, path, body=body) for method, path, body in calls))
    settled = report(agent, 7)
    assert (settled.policy, [row.limits for row in settled.rows]) == ("", [None] * 4)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 5, 3], {"at_least": 1, "at_most": 5}),
        ([7, 7, 7], {"equals": 7}),
        ([7, 7], {}),
        (["eur", "eur", "eur", "usd", "usd", "usd"], {"one_of": ["eur", "usd"]}),
        (["a", "b", "c"], {}),
        ([True, True, True], {"equals": True}),
        ([1, "1", 1], {}),
    ],
)  # fmt: skip
def test_limits_from_what_was_seen(values: list[Any], expected: dict[str, Any]) -> None:
    seen = [{"given": {"value": value}} for value in values]
    assert propose_limits(seen) == ({"arguments": {"given": expected}} if expected else {})
    assert propose_limits([*seen, {}]) == propose_limits([*seen, {"given": {"is": "removed"}}]) == {}
