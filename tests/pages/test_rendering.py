"""What whoever signs sees of each kind of value, of the last time, and of names that look like others."""
# ruff: noqa: E501  (a row of a table is one line)

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.alike import look_alikes
from approvals.before import last_like
from approvals.models import Action, ApprovedName, Review
from approvals.settle import settle
from audit.move import begin
from console.accounts.models import Team
from integrations.lint import LACKS
from integrations.models import Operation
from tests.pages.conftest import DOOR, PASSWORD, Enter, Hold
from tests.pages.test_importing import DOCUMENT, imported
from tests.pages.test_review_pages import decide, text
from tests.pages.test_yaml_page import show

SUM = {"label": "Sum", "was": None, "becomes": 12_000, "format": "money", "currency": "eur", "critical": True}


def sheet(browser: Client, review: Review) -> str:
    return text(browser.get(f"/reviews/{review.id}/"))


SHOWN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an identity": (
        {"format": "identity", "becomes": "cus_1", "name": "Zoë"},
        ['<span class="named"><bdi class="exact">Zoë</bdi></span> <code class="mono"><bdi class="exact">cus_1</bdi></code>'],
    ),
    "an identity that nobody knows": ({"format": "identity", "becomes": "cus_1"}, ["no name is known"]),
    "an address": (
        {"format": "url", "becomes": "https://xn--80ak6aa92e.example/a?b"},
        ['<bdi class="exact">https://</bdi><b class="host"><bdi class="exact">xn--80ak6aa92e.example</bdi></b><bdi class="exact">/a?b</bdi>',
         "the host stands for <b><bdi>аррӏе", "written in Cyrillic and Latin"],
    ),
    "an address with a name before it": (
        {"format": "url", "becomes": "https://a.example@b.example/"},
        ['<b class="host"><bdi class="exact">b.example</bdi></b>', "What stands before the @ is not where it leads."],
    ),
    "a list": (
        {"format": "list", "becomes": list(range(12))},
        ['<li><bdi class="exact">0</bdi></li>', "<summary>Show 2 more</summary>", '<li><bdi class="exact">11</bdi></li>'],
    ),
    "a table": (
        {"format": "table", "becomes": [{"item": n, **({"note": "x"} if n else {})} for n in range(11)]},
        ['<th scope="col"><bdi>Item</bdi></th><th scope="col"><bdi>Note</bdi></th>', '<span class="dim">not given</span>',
         "<summary>Show 1 more row</summary>", '<tr><td><bdi class="exact">10</bdi></td><td><bdi class="exact">x</bdi></td></tr>'],
    ),
    "a diff": (
        {"format": "diff", "was": "\n".join("abcdefghijkl"), "becomes": "\n".join("abcdefghijkx")},
        ['aria-label="It: 1 removed, 1 added"', '<del><span class="unseen">removed: </span><bdi class="exact">l</bdi></del>',
         '<ins><span class="unseen">added: </span><bdi class="exact">x</bdi></ins>', "<summary>Show 7 more lines that stay</summary>"],
    ),
    "a long text": (
        {"format": "lines", "becomes": "\n".join("abcdefghijklmno")},
        ["<summary>Show all: 3 lines, 6 characters more</summary>", "m n o"],
    ),
    "bytes": ({"format": "bytes", "becomes": {"bytes": 12, "sha256": "ab"}}, ["12 bytes, SHA-256 ab"]),
    "what only its schema tells": ({"format": "text", "becomes": "a", "by": "schema"}, ["by its schema"]),
    "what nothing tells": ({"format": "undecoded", "becomes": {"a": "b"}}, ["not decoded", "{ &quot;a&quot;: &quot;b&quot; }"]),
    "what is sent as nothing": ({"format": "nothing", "becomes": None}, ["sent as null"]),
    "hidden characters": (
        {"format": "text", "becomes": " a\u2066b\U000e0041"},
        ['<bdi class="exact"><span class="chip">space</span>a<span class="chip">U+2066</span>b<span class="chip">U+E0041</span></bdi>'],
    ),
    "a word of two scripts": ({"format": "text", "becomes": "pаypal"}, ['<span class="chip">Cyrillic+Latin</span>']),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHOWN)
def test_each_kind_of_value_is_shown_in_its_form(kind: str, hold: Hold, ana: Client) -> None:
    fact, parts = SHOWN[kind]
    page = sheet(ana, hold(facts=[{"label": "It", "was": None, **fact}]))
    assert [part for part in parts if part not in page] == []
    assert "<a href=" not in page.partition('id="changes-title"')[2].partition('id="why-title"')[0]


def before(hold: Hold, **fields: Any) -> Action:
    """One that succeeded without a review."""
    action = hold(**fields).action
    fresh = Action(team_id=action.team_id, operation_id=action.operation_id, grant_id=action.grant_id, arguments={},
                   grantee=action.grantee, makers=action.makers, attestation=bytes(64),
                   counterparty=action.counterparty, facts=action.facts)  # fmt: skip
    begin(fresh, actor=DOOR)
    settle(fresh, "succeeded", {"code": "done"}, actor=DOOR)
    return fresh


def test_a_value_that_differs_from_the_last_time_says_so(hold: Hold, ana: Client) -> None:
    first = sheet(ana, hold(facts=[SUM], counterparty="cus_1"))
    assert "Nothing of this kind was done with this counterparty before." in first
    before(hold, facts=[{**SUM, "becomes": 9_900}], counterparty="cus_1")
    before(hold, facts=[{**SUM, "becomes": 1}], counterparty="cus_2")
    page = sheet(ana, hold(facts=[SUM], counterparty="cus_1"))
    assert '<tr class="critical moved">' in page
    assert '<span class="beside wait">last time <bdi>€99.00</bdi></span>' in page
    assert "Compared with the last one that succeeded" in page
    again = sheet(ana, hold(facts=[{**SUM, "becomes": 9_900}], counterparty="cus_1"))
    assert '<span class="beside">as last time</span>' in again


def test_the_last_one_is_of_the_same_who_asks_where_there_is_no_counterparty(hold: Hold) -> None:
    last = before(hold, facts=[SUM])
    before(hold, facts=[SUM], counterparty="cus_1")
    review = hold(facts=[SUM])
    assert last_like(Action.objects.get(pk=review.action_id)) == last
    other = Action.objects.get(pk=review.action_id)
    other.grantee = "agent:other"
    assert last_like(other) is None


def test_the_last_one_is_found_by_an_index(hold: Hold) -> None:
    review = hold(facts=[SUM], counterparty="cus_1")
    action = Action.objects.get(pk=review.action_id)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    plans = []
    for counterparty in ("cus_1", ""):
        action.counterparty = counterparty
        plans.append(explained(action))
    assert ["action_last_with" in plans[0], "action_last_by" in plans[1]] == [True, True]


def explained(action: Action) -> str:
    with CaptureQueriesContext(connection) as captured:
        last_like(action)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured.captured_queries[-1]['sql']}")
        return "\n".join(row[0] for row in cursor.fetchall())


def test_a_name_that_looks_like_an_approved_one_is_told(hold: Hold, ana: Client) -> None:
    known = hold(facts=[SUM], counterparty="cus_l0")
    decide(ana, known, verdict="approve", password=PASSWORD)
    assert [(one.name, one.times) for one in ApprovedName.objects.all()] == [("cus_l0", 1)]
    assert "looks like" not in sheet(ana, hold(facts=[SUM], counterparty="cus_l0"))
    twin = hold(facts=[{"label": "To", "was": None, "becomes": "cus_10", "format": "identity"}], counterparty="cus_10")
    says = "looks like cus_l0, which was approved once, but is another name"
    page = sheet(ana, twin)
    assert f'<span class="beside stop"><bdi>{says}</bdi></span>' in page
    assert f'<i class="stop"></i><span><bdi>cus_10 {says}.</bdi></span>' in page


def test_hosts_are_compared_in_their_own_letters(hold: Hold, ana: Client) -> None:
    leads = {"label": "Leads to", "was": None, "format": "url"}
    for _ in range(2):
        decide(ana, hold(facts=[{**leads, "becomes": "https://APPLE.example/"}]), verdict="approve", password=PASSWORD)
    twin = hold(facts=[{**leads, "becomes": "https://xn--80ak6aa92e.example/"}])
    assert look_alikes(Action.objects.get(pk=twin.action_id)) == {
        "аррӏе.example": "looks like apple.example, which was approved 2 times, but is another name"
    }


def test_a_name_is_told_also_beside_the_one_that_it_looks_like(hold: Hold, ana: Client) -> None:
    decide(ana, hold(facts=[SUM], counterparty="cus_l0"), verdict="approve", password=PASSWORD)
    both = hold(facts=[{"label": "To", "was": None, "becomes": "cus_10", "format": "identity"}], counterparty="cus_l0")
    assert look_alikes(Action.objects.get(pk=both.action_id)) == {
        "cus_10": "looks like cus_l0, which was approved once, but is another name"
    }


def test_what_was_refused_and_other_teams_names_are_not_known(hold: Hold, ana: Client) -> None:
    decide(ana, hold(facts=[SUM], counterparty="cus_l0"), verdict="refuse", reason="No.")
    assert not ApprovedName.objects.exists()


def test_of_an_agents_words_much_is_folded_and_none_is_lost(hold: Hold, ana: Client) -> None:
    page = sheet(ana, hold(says="https://a.example " + "x" * 700))
    said = page.partition('class="panel said"')[2].partition("</section>")[0]
    assert "Show all: 118 characters more" in said
    assert said.count("x" * 118) >= 1
    assert "<a " not in said.partition('id="votes-title"')[0]
    assert said.count("x") >= 700
    assert '<details class="panel said" id="says" data-unfold="words"> <summary>' in page


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def test_what_signers_would_miss_is_said_before_it_is_described(mira: Client) -> None:
    page = text(show(mira))
    assert "What signers of <code>add_note</code> would miss" in page
    assert "No fact shows text. Signers see it as its schema calls it." in page
    assert "No sentence says what it does, to what." in page
    assert "<code>get_note</code> would miss" not in page


def test_what_signers_would_miss_is_said_where_an_operation_is_reviewed(mira: Client) -> None:
    imported(DOCUMENT)
    operation = Operation.objects.get(slug="add_parcel")
    page = text(mira.get(reverse("review_operation", args=[operation.id])))
    assert 'What signers would miss <span class="n">2</span>' in page
    listed = text(mira.get("/integrations/parcels/"))
    assert "<dt>Signers miss</dt><dd><bdi>No fact shows body." in listed


def test_an_import_counts_what_signers_would_miss(office: Team) -> None:
    assert imported(DOCUMENT).findings == [
        {"text": LACKS[code], "count": 1, "slugs": ["add_parcel"]} for code in ("by_schema", "no_sentence")
    ]
