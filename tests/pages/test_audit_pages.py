"""The log as auditors and admins read it, and as nobody else does."""

import dataclasses
import datetime as dt
import json
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit import protection, queries
from audit.leaf import Commitment, Entry, build
from audit.models import Record, Tree
from audit.proof import open_commitment
from audit.record import record
from audit.standing import Standing
from audit.vocabulary import Kind
from console.accounts.models import Team
from console.core.clock import now, stamp
from console.core.ids import uuid7
from examples.demo.people import acting
from tests.pages.conftest import Enter, everything_but_the_log, outsider

STANDING = Standing(
    tree=Tree(log="log", number=1, origin="log/1", size=9), waiting=0, signed=9, signed_at=now(), witnessed=9,
    witnessed_at=now(), anchored=0, anchored_at=None, uncovered_since=None,
)  # fmt: skip


@pytest.fixture
def theo(office: Team, enter: Enter) -> Client:
    return enter("theo")


def write(count: int, kind: Kind = Kind.STEP_READY, **fields: Any) -> list[uuid.UUID]:
    actor = acting("jonas")
    return [uuid.UUID(record(kind, subject=f"stp_{number}", actor=actor, **fields)) for number in range(count)]


def insert(entry: Entry, commitments: list[Commitment], **columns: str) -> uuid.UUID:
    """A record as somebody with SQL could write it."""
    identity = uuid7()
    leaf = build(entry, log="localhost:8765", identity=identity, at=stamp(), writer=("w", 1), commitments=commitments)
    kind, actor = columns.get("kind", entry.kind), columns.get("actor", entry.actor.id)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_waiting (id, log, leaf, kind, subject, actor_kind, actor, team) "
            "VALUES (%s, 'localhost:8765', %s, %s, %s, %s, %s, %s)",
            [identity, leaf, kind, entry.subject, entry.actor.kind, actor, entry.team],
        )
    return uuid.UUID(identity)


def kinds_on(page: str) -> list[str]:
    return re.findall(r'<code class="dim">([a-z_:]+)</code>', page)


def text(answer: Any) -> str:
    return str(answer.content.decode())


def reads(kind: Kind = Kind.PAGE_READ) -> list[dict[str, Any]]:
    return [json.loads(bytes(row.leaf)) for row in Record.objects.filter(kind=kind).order_by("at")]


def test_log_tells_the_newest_first_in_words_and_names_people(theo: Client) -> None:
    write(1, Kind.ACTION_IN_DOUBT)
    page = text(theo.get("/audit/"))
    assert kinds_on(page)[:2] == ["approvals:action:in_doubt", "accounts:session:opened"]
    assert '<span class="warn">Action in doubt</span>' in page
    assert "<bdi>Jonas Lindqvist</bdi>" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=integrations:cal", ["integrations:call:sending"]),
        ("subject=stp_7", ["runs:step:ready"]),
        ("run=run_b", ["integrations:call:sending"]),
        ("kind=runs:step:&until=2020-01-01", []),
        ("kind=integrations:call:&since=2020-01-01", ["integrations:call:sending"]),
        ("kind=integrations:call:&actor=nobody", []),
    ],
)
def test_filter_is_in_the_address(theo: Client, query: str, expected: list[str]) -> None:
    write(1, Kind.CALL_SENDING, run="run_b")
    write(8)
    assert kinds_on(text(theo.get(f"/audit/?{query}"))) == expected


def test_last_day_is_included(theo: Client) -> None:
    write(1, Kind.CALL_SENDING)
    today = now().date()
    for since, until, found in ((today, today, 1), (today + dt.timedelta(1), today + dt.timedelta(1), 0)):
        page = text(theo.get(f"/audit/?kind=integrations:call:&since={since}&until={until}"))
        assert len(kinds_on(page)) == found


def test_filter_that_cannot_be_read_shows_nothing_and_says_why(theo: Client) -> None:
    page = text(theo.get("/audit/?since=yesterday"))
    assert kinds_on(page) == []
    assert "A day is written like" in page


def test_pages_follow_each_other_without_gap_or_repeat(theo: Client) -> None:
    written = write(120)
    seen: list[str] = []
    address = "/audit/?kind=runs:step:"
    while address:
        page = text(theo.get(address))
        seen += re.findall(r'href="/audit/([0-9a-f-]{36})/"', page)
        older = re.search(r'href="(\?[^"]*after=[^"]*)" rel="next"', page)
        address = "/audit/" + older[1].replace("&amp;", "&") if older else ""
    assert seen == [str(identity) for identity in reversed(written)]
    assert len(seen) == 120


def test_place_that_no_page_gave_out_is_refused(theo: Client) -> None:
    for place in ("x", "2026-11-20T00:00:00Z~x", f"2026-11-20T00:00:00~{uuid7()}"):
        assert theo.get("/audit/", {"after": place}).status_code == 422


def test_filter_that_matches_nothing_says_so(stranger: Client) -> None:
    assert "No record matches" in text(stranger.get("/audit/?kind=integrations:call:"))


def test_reading_is_recorded_once_per_filter_and_five_minutes(theo: Client) -> None:
    for address in ("/audit/", "/audit/", "/audit/?kind=runs:step:&after=", "/audit/?kind=runs:step:"):
        theo.get(address)
    assert [(one["actor"]["id"], one["detail"]) for one in reads()] == [
        (acting("theo").id, {"page": "audit", "filter": ""}),
        (acting("theo").id, {"page": "audit", "filter": "kind=runs:step:"}),
    ]


def test_reading_is_recorded_again_for_somebody_else_and_for_another_record(theo: Client, enter: Enter) -> None:
    first, second = write(2)
    for browser, identity in ((theo, first), (theo, first), (enter("mira"), first), (theo, second)):
        browser.get(f"/audit/{identity}/")
    assert [one["object"] for one in reads()] == [str(first), str(first), str(second)]


@pytest.mark.parametrize("who", ["ana", "jonas", "noa"])
def test_others_are_refused_and_each_attempt_is_recorded_once(office: Team, enter: Enter, who: str) -> None:
    (identity,) = write(1)
    browser = enter(who)
    for address in ("/audit/", "/audit/", f"/audit/{identity}/"):
        assert browser.get(address).status_code == 403
    told = [(one["actor"]["id"], one["team"], one["detail"]["page"]) for one in reads(Kind.ACCESS_REFUSED)]
    assert told == [(acting(who).id, office.id, "audit"), (acting(who).id, office.id, "record")]


def test_another_team_sees_nothing_and_reaching_for_a_record_is_recorded(stranger: Client) -> None:
    (identity,) = write(1)
    assert kinds_on(text(stranger.get("/audit/?kind=runs:step:"))) == []
    assert stranger.get(f"/audit/{identity}/").status_code == 404
    assert stranger.get(f"/audit/{uuid.uuid4()}/").status_code == 404
    assert [one["detail"]["page"] for one in reads(Kind.ACCESS_REFUSED)] == ["record"]


def test_only_reading_is_answered_and_visitors_sign_in(theo: Client) -> None:
    (identity,) = write(1)
    for address in ("/audit/", f"/audit/{identity}/"):
        assert theo.post(address).status_code == 405
        assert Client(headers={"host": "localhost"}).get(address)["Location"] == f"/sign-in/?next={address}"


def test_record_shows_its_exact_leaf_and_hash_and_that_it_waits(theo: Client) -> None:
    (identity,) = write(1, personal={"name": "<Ada>"})
    row = Record.objects.get(pk=identity)
    page = text(theo.get(f"/audit/{identity}/"))
    copied = re.search(r'data-copy="([^"]*)"', page)
    assert copied
    assert copied[1].replace("&quot;", '"').encode() == bytes(row.leaf)
    assert row.leaf_hash.hex() in page
    assert "waiting for the tree" in page
    assert "&lt;Ada&gt;" in page
    assert '<span class="tag good">matches</span>' in page


def test_commitment_tells_disclosed_erased_and_mismatch() -> None:
    @dataclasses.dataclass
    class Row:
        salt: bytes
        value: object

    given = Commitment("name", "Ada")
    rows: list[Any] = [Row(given.salt, "Ada"), Row(given.salt, "Eve"), None]
    assert [open_commitment("name", given.seal, row).status for row in rows] == ["disclosed", "mismatch", "erased"]


def test_erased_value_is_said_to_be_erased(theo: Client) -> None:
    actor = acting("jonas")
    identity = insert(Entry("accounts:user:created", "usr_x", actor, actor.team), [Commitment("name", "Ada")])
    page = text(theo.get(f"/audit/{identity}/"))
    assert "erased; every proof stays valid" in page
    assert "Ada" not in page


def test_columns_that_differ_from_the_leaf_are_called_out(theo: Client) -> None:
    actor = acting("jonas")
    entry = Entry("runs:step:ready", "stp_1", actor, actor.team)
    honest, forged = insert(entry, []), insert(entry, [], kind="approvals:review:approved", actor="usr_forged")
    assert "The search columns differ" not in text(theo.get(f"/audit/{honest}/"))
    assert "The search columns differ from the leaf: actor, kind." in text(theo.get(f"/audit/{forged}/"))


def test_protection_is_asked_of_the_database(office: Team) -> None:
    checks = {check.title: check.holds for check in protection.judge(protection.read_facts(), None)}
    assert checks == {
        "The console is not the owner": True,
        "Records can only be added": True,
        "Triggers refuse every change": True,
        "Changes of these tables are records": True,
        "No change of state without its record": True,
        "A commit survives a power cut": False,  # the tests' server runs without fsync
        "Room for the months ahead": True,
        "Another process signs what the tree holds": False,
        "Somebody outside knows the tree": False,
    }


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"superuser": True}, "The console is not the owner"),
        ({"owner": True}, "The console is not the owner"),
        ({"may_change": True}, "Records can only be added"),
        ({"open_tables": 1}, "Triggers refuse every change"),
        ({"may_bypass": True}, "Triggers refuse every change"),
        ({"unguarded": 1}, "No change of state without its record"),
        ({"guarded": 0}, "No change of state without its record"),
        ({"synchronous_commit": "off"}, "A commit survives a power cut"),
        ({"fsync": False}, "A commit survives a power cut"),
        ({"months_ahead": 0}, "Room for the months ahead"),
        ({"schema_watched": False}, "Changes of these tables are records"),
    ],
)
def test_each_missing_protection_is_named(change: dict[str, Any], title: str) -> None:
    good = protection.Facts("app", False, False, False, 0, False, "on", True, 5, 0, 2, True)
    assert [check.title for check in protection.judge(good, STANDING) if not check.holds] == []
    found = protection.judge(dataclasses.replace(good, **change), STANDING)
    assert [check.title for check in found if not check.holds] == [title]


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"signed": 0}, "Another process signs what the tree holds"),
        (
            {"tree": Tree(origin="log/1", problem="The signer does not answer.")},
            "Another process signs what the tree holds",
        ),
        ({"witnessed": 0}, "Somebody outside knows the tree"),
    ],
)
def test_a_tree_that_is_not_signed_or_not_known_is_named(change: dict[str, Any], title: str) -> None:
    good = protection.Facts("app", False, False, False, 0, False, "on", True, 5, 0, 2, True)
    found = protection.judge(good, dataclasses.replace(STANDING, **change))
    assert [check.title for check in found if not check.holds] == [title]


def test_page_says_what_is_not_in_force(theo: Client) -> None:
    page = text(theo.get("/audit/"))
    assert "2 of 9 not in force" in page
    assert "Nothing has been signed yet." in page
    assert "no tree yet" in page


def test_subjects_lead_to_their_pages_where_there_are_any() -> None:
    known = uuid7()
    assert queries.url_of(str(known)) == f"/audit/{known}/"
    assert [queries.url_of(subject) for subject in ("usr_1", "", "run", "/audit/")] == [
        "",
        "",
        queries.url_of("run"),
        "",
    ]


def test_queries_do_not_grow_with_the_log(theo: Client) -> None:
    write(3)
    first = count_queries(theo, "/audit/?kind=runs:step:")
    few = count_queries(theo, "/audit/?kind=runs:step:")
    write(30)
    assert count_queries(theo, "/audit/?kind=runs:step:") == few == first - 1  # the first visit was recorded


def count_queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_looking_writes_nothing_but_the_log(theo: Client) -> None:
    (identity,) = write(1)
    before = everything_but_the_log()
    for address in ("/audit/", f"/audit/{identity}/"):
        theo.get(address)
    assert everything_but_the_log() == before


def test_names_come_from_what_is_disclosed(office: Team) -> None:
    olga = outsider()
    assert queries.names_of([olga.id, "door", ""]) == {olga.id: "Olga Outsider"}
    assert queries.brief("door") == "door"
