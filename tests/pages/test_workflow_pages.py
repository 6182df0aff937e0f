"""Workflows as the team reads them, and publishing as only its admins do."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from console.accounts.models import Team
from console.core.clock import now
from console.workflows.models import WorkflowVersion
from console.workflows.publish import publish_workflow
from examples.demo.people import acting
from integrations.models import Credential, Grant
from tests.pages.conftest import Enter, everything_but_the_log

SOURCE = """\
workflow: tidy-{number}
title: Tidy number {number}
inputs:
  limit: {{type: integer, default: 3}}
steps:
  wait: {{sleep: {{seconds: 90}}}}
  look: {{call: stripe.get_charge, after: [wait], arguments: {{charge: ch_1}}}}
  gone: {{call: nowhere.look}}
"""
BILLING = Path("examples/workflows/billing-care.yaml").read_text()


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def publish(number: int) -> WorkflowVersion:
    return publish_workflow(SOURCE.format(number=number), actor=acting("mira"))


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def count_queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_list_tells_title_versions_and_description(mira: Client) -> None:
    page = text(mira.get("/workflows/"))
    assert "<bdi>Refund customers who were charged twice</bdi>" in page
    assert '<td data-label="Versions">1</td>' in page
    assert "Looks for two charges of the same customer" in page


def test_empty_list_says_how_to_get_the_first(stranger: Client) -> None:
    page = text(stranger.get("/workflows/"))
    assert "No workflow is published yet" in page
    assert 'href="/workflows/publish/"' in page


def test_plan_is_in_the_order_of_execution_with_what_each_call_does(mira: Client) -> None:
    page = text(mira.get("/workflows/billing-care/"))
    places = [page.index(f'<code class="dim">{step}</code>') for step in ("charges", "doubles", "refund")]
    assert places == sorted(places)
    for told in (
        "stripe.create_refund",
        '<span class="tag">financial</span>',
        "once for each of <code>steps.doubles</code>, after doubles",
        "Records that agree in customer, amount, currency and lie within 10 min of each other by <code>created</code>",
        "may use <code>create_refund</code>, <code>get_charge</code>, <code>get_customer</code>, "
        "<code>list_charges</code> and <code>list_refunds</code> of",
        'integer <span class="dim">unless given: <bdi>100</bdi></span>',
        "by <bdi>Mira Okafor</bdi>",
    ):
        assert told in page
    assert "a run would be refused here" not in page


def test_calls_that_a_run_would_be_refused_are_called_out(mira: Client) -> None:
    publish(1)
    page = text(mira.get("/workflows/tidy-1/"))
    assert "<code>stripe.get_charge</code> is not granted to this workflow; a run would be refused here." in page
    assert "<code>nowhere.look</code> is not connected in this team; a run would be refused here." in page


def test_ended_grant_grants_nothing(mira: Client) -> None:
    Grant.objects.update(until=now())
    assert text(mira.get("/workflows/billing-care/")).count("is not granted to this workflow") == 2


def test_older_version_is_shown_as_such(mira: Client) -> None:
    changed = BILLING.replace("Refund customers who were charged twice", "Refund doubles")
    publish_workflow(changed, actor=acting("mira"))
    old, new = text(mira.get("/workflows/billing-care/?version=1")), text(mira.get("/workflows/billing-care/"))
    assert "This is version 1, not the newest." in old
    assert "<h1><bdi>Refund customers who were charged twice</bdi></h1>" in old
    assert "not the newest" not in new
    assert "<h1><bdi>Refund doubles</bdi></h1>" in new


@pytest.mark.parametrize("version", ["9", "x", "-1", "9" * 30, "²"])
def test_version_that_is_not_there(mira: Client, version: str) -> None:
    assert mira.get("/workflows/billing-care/", {"version": version}).status_code == 404


@pytest.mark.parametrize(
    ("who", "starts", "publishes"),
    [("ana", False, False), ("theo", False, False), ("jonas", True, False), ("mira", True, True)],
)
def test_each_role_is_offered_what_it_may_do(
    office: Team, enter: Enter, who: str, starts: bool, publishes: bool
) -> None:
    page = text(enter(who).get("/workflows/billing-care/"))
    assert ("?from=billing-care" in page) == publishes
    assert "Start a run" not in page or starts


def test_form_begins_with_the_newest_version(mira: Client) -> None:
    page = mira.get("/workflows/publish/?from=billing-care").content.decode()
    assert "for_each: &quot;${{ steps.doubles }}&quot;" in page
    assert mira.get("/workflows/publish/?from=nothing").status_code == 404


def test_publishing_text_makes_a_version_and_leads_to_it(mira: Client) -> None:
    answer = mira.post("/workflows/publish/", {"source": SOURCE.format(number=1).replace("\n", "\r\n")}, follow=True)
    assert answer.redirect_chain == [("/workflows/tidy-1/", 302)]
    assert "tidy-1 version 1 is what new runs follow." in text(answer)
    assert WorkflowVersion.objects.get(workflow__slug="tidy-1").source == SOURCE.format(number=1)


def test_publishing_a_file_wins_over_the_text(mira: Client) -> None:
    file = SimpleUploadedFile("tidy.yaml", SOURCE.format(number=2).encode())
    mira.post("/workflows/publish/", {"source": SOURCE.format(number=1), "file": file})
    assert list(WorkflowVersion.objects.filter(workflow__slug__startswith="tidy").values_list("workflow__slug")) == [
        ("tidy-2",)
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": "workflow: x\ntitle: y\nsteps:\n  a: {call: Wrong}\n"}, "steps.a.call (line 4)"),
        ({"source": "a: [unclosed"}, "line 1: expected"),
        ({"source": "   "}, "Paste the workflow"),
        ({}, "Paste the workflow"),
        ({"source": "kept", "file": b"\xff\xfe"}, "not text in UTF-8"),
        ({"source": "kept", "file": b"x" * 1_000_001}, "larger than 1,000,000 bytes"),
    ],
)
def test_what_cannot_be_published_is_said_with_its_place_and_kept(
    mira: Client, given: dict[str, Any], said: str
) -> None:
    before = everything_but_the_log()
    if "file" in given:
        given = {**given, "file": SimpleUploadedFile("w.yaml", given["file"])}
    answer = mira.post("/workflows/publish/", given)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert "Nothing was published." in page
    assert given.get("source", "").strip("\0 ")[:2] in page
    assert everything_but_the_log() == before


@pytest.mark.parametrize("who", ["ana", "jonas", "theo", "noa"])
def test_only_admins_publish(office: Team, enter: Enter, who: str) -> None:
    browser = enter(who)
    before = WorkflowVersion.objects.count()
    assert browser.get("/workflows/publish/").status_code == 403
    assert browser.post("/workflows/publish/", {"source": SOURCE.format(number=1)}).status_code == 403
    assert WorkflowVersion.objects.count() == before


def test_without_a_role_one_reads_nothing(office: Team, enter: Enter) -> None:
    noa = enter("noa")
    assert [noa.get(address).status_code for address in ("/workflows/", "/workflows/billing-care/")] == [403, 403]


def test_another_team_has_no_such_workflow(stranger: Client) -> None:
    assert stranger.get("/workflows/billing-care/").status_code == 404
    assert stranger.get("/workflows/publish/?from=billing-care").status_code == 404


def test_wrong_methods_are_refused_and_visitors_sign_in(mira: Client) -> None:
    assert [mira.post("/workflows/").status_code, mira.post("/workflows/billing-care/").status_code] == [405, 405]
    assert mira.put("/workflows/publish/").status_code == 405
    for address in ("/workflows/", "/workflows/billing-care/", "/workflows/publish/"):
        assert Client(headers={"host": "localhost"}).get(address)["Location"] == f"/sign-in/?next={address}"


def test_queries_do_not_grow_with_workflows_or_versions(mira: Client) -> None:
    publish(0)
    few = [count_queries(mira, "/workflows/"), count_queries(mira, "/workflows/tidy-0/")]
    for number in range(1, 30):
        publish(number)
        publish_workflow(SOURCE.format(number=0) + f"# {number}\n", actor=acting("mira"))
    assert [count_queries(mira, "/workflows/"), count_queries(mira, "/workflows/tidy-0/")] == few


def test_looking_writes_nothing(mira: Client) -> None:
    before = everything_but_the_log()
    for address in ("/workflows/", "/workflows/billing-care/", "/workflows/publish/?from=billing-care"):
        mira.get(address)
    assert everything_but_the_log() == before


def test_sealed_secret_is_on_no_page(mira: Client) -> None:
    sealed = bytes(Credential.objects.get().sealed)
    for address in ("/workflows/", "/workflows/billing-care/"):
        assert sealed.hex() not in mira.get(address).content.decode()
