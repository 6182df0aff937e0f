"""What programs read: whole answers, pages without gap or repeat, nothing of other teams, no secrets."""

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import rfc8785
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.models import Action, Decision, Review
from approvals.policies.slots import Requirement, SlotSpec, Way
from audit.models import Record
from audit.move import begin
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Team
from console.core.clock import iso, now
from console.runs.models import Run
from console.runs.start import start_run
from console.workflows.access import access_version
from console.workflows.models import WorkflowVersion
from console.workflows.publish import publish_workflow
from examples.demo.charges import API_KEY
from examples.demo.people import acting
from integrations.models import Credential, Grant, Operation
from tests.pages.conftest import Enter, everything_but_the_log, outsider
from tests.spine.conftest import World


def get(browser: Client, address: str) -> Any:
    answer = browser.get(f"/api/v1/{address}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def walk(browser: Client, address: str, **filters: str) -> Iterator[dict[str, Any]]:
    after: str | None = ""
    while after is not None:
        page = get(browser, f"{address}?{urlencode({**filters, 'after': after, 'limit': 7})}")
        yield from page["items"]
        after = page["next"]


def count_queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        get(browser, address)
    return len(captured)


def start(count: int) -> list[str]:
    jonas = acting("jonas")
    version = access_version(jonas, "billing-care")
    return [start_run(version, inputs={}, actor=jonas).id for _ in range(count)]


SPEC = SlotSpec((Way("finance"),))


def hold(count: int) -> list[str]:
    """Reviews as the door leaves them, without a door."""
    door, operation, grant = acting("mira"), Operation.objects.get(slug="create_refund"), Grant.objects.all()[0]
    made = []
    for _ in range(count):
        action = Action(team_id=door.team, operation=operation, grant=grant, arguments={}, grantee=grant.grantee,
                        attestation=bytes(64), sentence="Refund", amount_minor=5, currency="eur")  # fmt: skip
        begin(action, actor=door)
        review = Review(team_id=door.team, action=action, policy_digest=bytes(32), evidence_digest=bytes(32),
                        render_digest=bytes(32), expires_at=now() + dt.timedelta(hours=4))  # fmt: skip
        begin(review, actor=door)
        slot = review.slots.create(id=f"slt_{review.id}", position=0, spec=Requirement((SPEC,)).document["slots"][0])
        review.asked.create(slot=slot, group="finance")
        made.append(review.id)
    return made


def test_run_is_told_with_its_steps_and_inputs(held: World, enter: Enter) -> None:
    run = Run.objects.get()
    told = get(enter("ana"), f"runs/{run.id}")
    steps = told.pop("steps")
    assert told == {
        "id": run.id, "workflow": "billing-care", "version": 1, "state": "running",
        "on_behalf_of": acting("jonas").id, "trace_id": run.trace_id, "started_at": iso(run.started_at),
        "finished_at": None, "request": "", "inputs": {"limit": 100}, "outcome": None,
    }  # fmt: skip
    assert [(one["name"], one["state"], one["waiting_for"]) for one in steps if one["parent"] is None] == [
        ("charges", "succeeded", ""), ("doubles", "succeeded", ""), ("refund", "waiting", "child"),
    ]  # fmt: skip
    assert [one["waiting_for"] for one in steps if one["parent"]] == ["review", "review"]
    assert "output" not in steps[0]


def test_review_is_told_by_its_facts_and_decisions_only_once_it_is_closed(held: World, enter: Enter) -> None:
    review, ana = held.review(large=True), enter("ana")
    told = get(ana, f"reviews/{review.id}")
    assert told["amount"] == {"minor": 48_000, "currency": "eur"}
    assert told["operation"] == {
        "integration": "stripe", "name": "create_refund", "effect": "write", "categories": ["financial"],
    }  # fmt: skip
    assert told["facts"][0] == {
        "label": "Refund", "was": None, "becomes": 48_000, "format": "money", "currency": "eur", "critical": True,
        "by": None, "name": None,
    }  # fmt: skip
    assert (told["sentence"], told["decisions"]) == (review.action.sentence, [])
    assert told["context"] == {
        "on_behalf_of": acting("jonas").id, "environment": "", "within": "run", "actions": 1, "writes": 0,
        "operations": {"stripe.list_charges": 1}, "data": ["payment"], "untrusted": False, "request": None,
        "distance": None,
    }  # fmt: skip
    assert told["requirement"] == [{"ways": [{"group": "finance", "count": 1, "after_minutes": 0}], "refusals": 1,
                                    "blind": True, "signature": "passkey", "authenticators": [],
                                    "proofed": False}]  # fmt: skip
    held.sign(review)
    told = get(ana, f"reviews/{review.id}")
    (decision,) = told["decisions"]
    row = Decision.objects.get()
    assert (told["state"], decision["verdict"], decision["level"]) == ("approved", "approve", "passkey")
    assert (decision["reviewer"], decision["decided_at"]) == (acting("ana").id, iso(row.decided_at))
    assert row.nonce not in json.dumps(told)
    assert (decision["name"], decision["meaning"]) == ("Ana Ferreira", "I approve that exactly this is done.")
    assert sorted(decision) == [
        "decided_at", "id", "level", "meaning", "name", "on_behalf_of", "reason", "reviewer", "verdict",
    ]  # fmt: skip


def test_reviews_of_another_group_are_not_shown_to_a_reviewer(office: Team, enter: Enter) -> None:
    made = hold(2)
    assert [one["id"] for one in get(enter("ana"), "reviews")["items"]] == made[::-1]
    assert get(enter("sam"), "reviews")["items"] == []
    assert enter("sam").get(f"/api/v1/reviews/{made[0]}").status_code == 404
    assert len(get(enter("theo"), "reviews?state=open")["items"]) == 2
    assert get(enter("theo"), "reviews?state=approved")["items"] == []


def test_workflow_is_told_with_source_versions_and_grants(office: Team, enter: Enter) -> None:
    told = get(enter("ana"), "workflows/billing-care")
    version = WorkflowVersion.objects.get(workflow__slug="billing-care")
    head = {"number": 1, "published_at": iso(version.published_at), "published_by": acting("mira").id}
    assert (told["version"], told["versions"], told["source"]) == (head, [head], version.source)
    (grant,) = told["grants"]
    assert (grant["integration"], grant["credential"], grant["in_force"]) == ("stripe", "billing key", True)
    assert [one["slug"] for one in get(enter("ana"), "workflows")["items"]] == ["billing-care", "cancel-subscription"]


def test_older_version_is_told_by_its_number(office: Team, enter: Enter) -> None:
    old = WorkflowVersion.objects.get(workflow__slug="billing-care")
    publish_workflow(old.source + "# later\n", actor=acting("mira"))
    assert get(enter("ana"), "workflows/billing-care?version=1")["source"] == old.source
    assert get(enter("ana"), "workflows/billing-care")["version"]["number"] == 2


def test_record_can_be_proven_from_what_is_told(office: Team, enter: Enter) -> None:
    identity = record(Kind.STEP_READY, subject="stp_1", actor=acting("jonas"), personal={"name": "Ada"})
    told = get(enter("theo"), f"records/{identity}")
    assert hashlib.sha256(b"\0" + told["leaf"].encode()).hexdigest() == told["leaf_hash"]
    (one,) = told["commitments"]
    seal = hmac.digest(bytes.fromhex(one["salt"]), b"name\0" + rfc8785.dumps(one["value"]), "sha256").hex()
    assert json.loads(told["leaf"])["c"] == {"name": seal}
    assert (one["status"], one["value"], told["waiting_for_tree"]) == ("disclosed", "Ada", True)


def test_records_are_filtered_and_reading_them_is_recorded_once(office: Team, enter: Enter) -> None:
    theo = enter("theo")
    for number in range(3):
        record(Kind.CALL_SENDING, subject=f"cal_{number}", actor=acting("jonas"), run="run_b")
    for query, found in (
        ("kind=integrations:call:", 3),
        ("kind=integrations:call:", 3),
        ("subject=cal_1", 1),
        ("run=run_b", 3),
        ("run=x", 0),
    ):
        assert len(get(theo, f"records?{query}")["items"]) == found
    today = now().date()
    assert len(get(theo, f"records?kind=integrations:call:&since={today}&until={today}")["items"]) == 3
    reads = [json.loads(bytes(one.leaf))["detail"]["filter"] for one in Record.objects.filter(kind="audit:page:read")]
    assert sorted(reads) == sorted(
        [
            "kind=integrations:call:",
            "subject=cal_1",
            "run=run_b",
            "run=x",
            f"kind=integrations:call: since={today} until={today}",
        ]
    )


@pytest.mark.parametrize("address", ["runs", "reviews", "records"])
def test_pages_follow_each_other_without_gap_or_repeat(office: Team, enter: Enter, address: str) -> None:
    made = {"runs": start, "reviews": hold, "records": _records}[address](16)
    kept = {"kind": "runs:step:succeeded"} if address == "records" else {}
    assert [one["id"] for one in walk(enter("mira"), address, **kept)] == made[::-1]


def _records(count: int) -> list[str]:
    return [str(record(Kind.STEP_SUCCEEDED, subject="stp", actor=acting("jonas"))) for _ in range(count)]


def test_runs_are_filtered_by_state_and_workflow(office: Team, enter: Enter) -> None:
    (run,) = start(1)
    theo = enter("theo")
    for query, found in (("state=running", [run]), ("state=failed", []), ("workflow=billing-care", [run]),
                         ("workflow=cancel-subscription", [])):  # fmt: skip
        assert [one["id"] for one in get(theo, f"runs?{query}")["items"]] == found


def test_other_teams_rows_do_not_exist(office: Team, enter: Enter) -> None:
    (run,), (review,) = start(1), hold(1)
    identity = record(Kind.STEP_READY, subject="stp", actor=acting("jonas"))
    olga = enter(outsider().username)
    for address in ("runs", "reviews", "workflows", "records?kind=runs:step:"):
        assert get(olga, address) == {"items": [], "next": None}
    for address in (f"runs/{run}", f"reviews/{review}", "workflows/billing-care", f"records/{identity}"):
        assert olga.get(f"/api/v1/{address}").status_code == 404


def test_queries_do_not_grow_with_rows(office: Team, enter: Enter) -> None:
    mira = enter("mira")
    run, review = start(3)[0], hold(3)[0]
    addresses = ["runs", "reviews", "workflows", "records"]
    addresses += [f"runs/{run}", f"reviews/{review}", "workflows/billing-care"]
    for address in addresses:
        get(mira, address)
    few = [count_queries(mira, address) for address in addresses]
    start(30)
    hold(30)
    assert [count_queries(mira, address) for address in addresses] == few


def test_reading_writes_nothing_but_the_log_and_shows_no_secret(office: Team, enter: Enter) -> None:
    (run,), (review,) = start(1), hold(1)
    identity = record(Kind.STEP_READY, subject="stp", actor=acting("jonas"))
    sealed = bytes(Credential.objects.get().sealed).hex()
    mira = enter("mira")
    before = everything_but_the_log()
    for address in ("runs", f"runs/{run}", "reviews", f"reviews/{review}", "workflows", "workflows/billing-care",
                    "records", f"records/{identity}"):  # fmt: skip
        told = json.dumps(get(mira, address))
        assert API_KEY not in told
        assert sealed not in told
    assert everything_but_the_log() == before
