"""The runs room: the list, one run as a waterfall, what is behind a span, starting and cancelling."""

import dataclasses
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from audit.move import begin
from console.accounts.models import Team
from console.core.actor import system
from console.core.errors import Tampered
from console.runs import queries
from console.runs.models import Run, Step
from console.runs.request import request_of
from console.runs.waterfall import CAUSES, Bar, draw, innermost_failure
from console.traces.store import SpanStart, start_spans
from examples.demo.seed import begin_run
from tests.pages.conftest import Enter, everything_but_the_log
from tests.spine.conftest import World

SECOND = 1_000_000_000


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def piece(target: str, url: str = "http://localhost/runs/") -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": target, "HX-Current-URL": url}


def count_queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


@pytest.fixture
def jonas(office: Team, enter: Enter) -> Client:
    return enter("jonas")


@pytest.fixture
def run(office: Team) -> Run:
    """Begun, and no worker has taken anything of it."""
    return begin_run()


def test_list_tells_workflow_state_and_for_whom(run: Run, jonas: Client) -> None:
    page = text(jonas.get("/runs/"))
    for part in ("1 run<", "Refund customers who were charged twice", "billing-care v1", "<bdi>Jonas Lindqvist</bdi>",
                 '<span class="tag live">running</span>', "Start a run"):  # fmt: skip
        assert part in page


def test_a_run_that_waits_for_a_signature_says_so(held: World, enter: Enter) -> None:
    run, ana = Run.objects.get(), enter("ana")
    assert "waiting for a signature" in text(ana.get("/runs/"))
    page = text(ana.get(f"/runs/{run.id}/"))
    assert "waiting for 1 of finance" in page
    assert "2 waiting for a signature" in page
    review = held.review(large=True)
    span = review.action.wait_span_id
    inspected = text(ana.get(f"/runs/{run.id}/?span={span}", headers=piece("inspect")))
    for part in ("Open the review", f"/reviews/{review.id}/", "approvals:action:held", "Refund €480.00"):
        assert part in inspected
    stranger_to_finance = text(enter("sam").get(f"/runs/{run.id}/?span={span}", headers=piece("inspect")))
    assert "It is reviewed by a group that you are not in." in stranger_to_finance
    assert review.id not in stranger_to_finance


def test_a_finished_run_shows_receipts_marks_and_its_reason(held: World, enter: Enter) -> None:
    small = held.review(large=False)
    held.sign(held.review(large=True))
    held.sign(small, verdict="refuse", reason="Both charges are right.")
    held.settle()
    run, jonas = Run.objects.get(), enter("jonas")
    page = jonas.get(f"/runs/{run.id}/")
    told = text(page)
    for part in (
        "was refused",
        "Both charges are right.",
        'class="mark',
        "data-failed",
        "approved by Ana Ferreira",
        "first failure",
    ):
        assert part in told
    bars = {row.bar.name: row.bar for row in page.context["page"].picture.rows}
    receipt = text(jonas.get(f"/runs/{run.id}/?span={bars['POST /v1/refunds'].span_id}", headers=piece("inspect")))
    for part in ("Receipt", "succeeded", "<dd>200</dd>", "the answer itself", "integrations:call:succeeded"):
        assert part in receipt


def test_pieces_are_answered_without_the_page_around_them(run: Run, jonas: Client) -> None:
    for address, target in (("/runs/", "runs"), (f"/runs/{run.id}/", "picture"), (f"/runs/{run.id}/", "inspect")):
        answer = jonas.get(address, headers=piece(target))
        assert (answer.status_code, b"<html" in answer.content) == (200, False)


def test_a_refetched_picture_keeps_the_choice_of_its_page(run: Run, jonas: Client) -> None:
    start_spans([SpanStart(run.trace_id, "b" * 16, "second", "model", run.team_id, run.span_id, run.id)])
    page = f"http://localhost/runs/{run.id}/?span={'b' * 16}"
    answer = jonas.get(f"/runs/{run.id}/", headers=piece("picture", page))
    assert answer.context["page"].selected == "b" * 16
    assert "<bdi>second</bdi></h2>" in text(jonas.get(f"/runs/{run.id}/", headers=piece("inspect", page)))


def test_spans_of_another_run_are_not_inspected(run: Run, jonas: Client) -> None:
    other = begin_run()
    assert jonas.get(f"/runs/{run.id}/?span={other.span_id}", headers=piece("inspect")).status_code == 404
    assert "Choose a span" in text(jonas.get(f"/runs/{run.id}/?span={other.span_id}"))


def test_pages_change_nothing_and_style_nothing_in_place(run: Run, jonas: Client) -> None:
    before = everything_but_the_log()
    pages = [jonas.get(address).content for address in ("/runs/", f"/runs/{run.id}/", "/runs/new/billing-care/")]
    assert everything_but_the_log() == before
    assert not any(b" style=" in page for page in pages)


def test_spans_with_hostile_names_are_spelled_out(run: Run, jonas: Client) -> None:
    bad = "x\u202e<img>"
    start_spans(
        [SpanStart(run.trace_id, "a" * 16, bad, "api", run.team_id, run.span_id, run.id, attributes={bad: bad})]
    )
    page = jonas.get(f"/runs/{run.id}/?span={'a' * 16}").content.decode()
    assert "<img>" not in page
    assert "\u202e" not in page
    assert page.count('x<span class="chip">U+202E</span>&lt;img&gt;') == 4


def test_only_those_with_a_role_look_and_other_teams_find_nothing(run: Run, enter: Enter, stranger: Client) -> None:
    noa = enter("noa")
    assert [noa.get(address).status_code for address in ("/runs/", f"/runs/{run.id}/")] == [403, 403]
    assert stranger.get(f"/runs/{run.id}/").status_code == 404
    assert stranger.post(f"/runs/{run.id}/cancellation").status_code == 404
    assert stranger.get("/runs/new/billing-care/").status_code == 404
    assert "Nothing has run yet" in text(stranger.get("/runs/"))


def test_reviewers_and_auditors_neither_start_nor_cancel(run: Run, enter: Enter) -> None:
    for who in ("ana", "theo"):
        browser = enter(who)
        assert "Cancel" not in text(browser.get(f"/runs/{run.id}/"))
        assert "Start a run" not in text(browser.get("/runs/"))
        answers = [browser.post(f"/runs/{run.id}/cancellation"), browser.get("/runs/new/billing-care/"),
                   browser.post("/runs/new/billing-care/", {"limit": "1"})]  # fmt: skip
        assert [answer.status_code for answer in answers] == [403] * 3
    assert Run.objects.count() == 1


def test_methods(run: Run, jonas: Client) -> None:
    answers = [jonas.post("/runs/"), jonas.post(f"/runs/{run.id}/"), jonas.get(f"/runs/{run.id}/cancellation"),
               jonas.put("/runs/new/billing-care/")]  # fmt: skip
    assert [answer.status_code for answer in answers] == [405] * 4


def test_cancelling_ends_the_run_and_twice_is_told(run: Run, jonas: Client) -> None:
    assert jonas.post(f"/runs/{run.id}/cancellation")["Location"] == f"/runs/{run.id}/"
    assert Run.objects.get().state == "cancelled"
    assert "Cancelled by Jonas Lindqvist." in text(jonas.get(f"/runs/{run.id}/"))
    assert jonas.post(f"/runs/{run.id}/cancellation").status_code == 409


def test_starting_asks_for_the_inputs_and_keeps_what_was_typed(jonas: Client) -> None:
    page = text(jonas.get("/runs/new/billing-care/"))
    assert 'name="limit" value="100"' in page
    wrong = jonas.post("/runs/new/billing-care/", {"limit": "many"})
    assert (wrong.status_code, 'value="many"' in text(wrong), "must be of type integer" in text(wrong)) == (
        422,
        True,
        True,
    )
    answer = jonas.post("/runs/new/billing-care/", {"limit": "7"})
    run = Run.objects.get()
    assert (answer["Location"], run.inputs, run.on_behalf_of.username) == (f"/runs/{run.id}/", {"limit": 7}, "jonas")


def test_a_planned_run_shows_its_steps_to_come(run: Run, jonas: Client) -> None:
    page = text(jonas.get(f"/runs/{run.id}/"))
    assert "planned after doubles" in page
    assert page.index("<bdi>charges</bdi>") < page.index("<bdi>refund</bdi>")


def test_filters_are_in_the_address(run: Run, jonas: Client) -> None:
    asked = ("state=running", "state=failed", "workflow=billing-care", "workflow=other", "state=nonsense")
    found = {query: len(jonas.get(f"/runs/?{query}").context["list"].runs) for query in asked}
    assert found == {
        "state=running": 1,
        "state=failed": 0,
        "workflow=billing-care": 1,
        "workflow=other": 0,
        "state=nonsense": 1,
    }
    assert "No run matches" in text(jonas.get("/runs/?state=failed"))


def test_list_is_paged_by_keyset(jonas: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 2)
    made = [begin_run().id for _ in range(3)]
    first = jonas.get("/runs/").context["list"]
    rest = jonas.get("/runs/", {"before": first.following}).context["list"]
    assert [one.run.id for one in [*first.runs, *rest.runs]] == made[::-1]
    assert (first.count, rest.following) == (3, "")
    assert jonas.get("/runs/?before=nonsense").status_code == 422


def test_queries_do_not_grow_with_runs_spans_or_steps(run: Run, jonas: Client) -> None:
    addresses = ("/runs/", f"/runs/{run.id}/")
    jonas.get("/runs/")
    once = [count_queries(jonas, address) for address in addresses]
    start_spans(
        [
            SpanStart(run.trace_id, f"{number:016x}", "x", "api", run.team_id, run.span_id, run.id)
            for number in range(1, 30)
        ]
    )
    parent = run.steps.get(name="refund")
    for number in range(29):
        begin(Step(run=run, parent=parent, name="refund", index=number, position=2, kind="call"), actor=system("tests"))
        begin_run()
    assert [count_queries(jonas, address) for address in addresses] == once


def test_more_spans_than_are_drawn_are_told(run: Run, jonas: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_SPANS", 2)
    start_spans(
        [
            SpanStart(run.trace_id, f"{number:016x}", "x", "api", run.team_id, run.span_id, run.id)
            for number in range(1, 4)
        ]
    )
    assert "2 spans of 4, the earliest" in text(jonas.get(f"/runs/{run.id}/"))


def bar(span: str, parent: str, start: int, end: int | None, surface: str = "process", failed: bool = False) -> Bar:
    return Bar(span, parent, span, surface, start, end, failed)


def test_waterfall_puts_children_under_parents_and_opens_what_runs() -> None:
    waiting, signed = bar("wait", "step", 40, None, "human"), bar("signed", "wait", 50, 50, "human")
    picture = draw([waiting, bar("root", "", 0, None), bar("step", "root", 20, 60, "api"), signed], 100)
    rows = [(row.bar.span_id, row.depth, row.x, row.width, row.open, row.mark) for row in picture.rows]
    assert rows == [
        ("root", 0, 0.0, 100.0, True, False),
        ("step", 1, 20.0, 40.0, False, False),
        ("wait", 2, 40.0, 60.0, True, False),
        ("signed", 3, 50.0, 0.0, False, True),
    ]
    assert picture.ruler == [0, 20, 40, 60, 80, 100]


def test_time_goes_to_what_is_innermost_and_work_before_waiting() -> None:
    picture = draw([bar("root", "", 0, 100), bar("step", "root", 10, 90, "api"), bar("wait", "step", 30, 90, "human"),
                    bar("other", "root", 50, 60, "model")], 100)  # fmt: skip
    assert [(share.cause, share.ns, share.x, share.width) for share in picture.shares] == [
        ("model", 10, 0.0, 10.0), ("api", 20, 10.0, 20.0), ("human", 50, 30.0, 50.0), ("process", 20, 80.0, 20.0),
    ]  # fmt: skip


def test_innermost_first_failure() -> None:
    failed = (("root", "", 0, 9), ("late", "root", 5, 9), ("step", "root", 1, 4), ("call", "step", 2, 3))
    bars = [*(bar(*one, failed=True) for one in failed), bar("fine", "root", 0, 1)]
    failure = innermost_failure(draw(bars, 9))
    assert failure
    assert failure.span_id == "call"
    assert innermost_failure(draw(bars[-1:], 9)) is None
    assert draw([], 9).rows == ()


names = st.sampled_from("abcdef")
spans = st.builds(
    Bar, names, st.sampled_from(["", *"abcdefx"]), names, st.sampled_from(CAUSES), st.integers(0, 50),
    st.none() | st.integers(0, 60), st.booleans(),
)  # fmt: skip


@given(st.lists(spans, max_size=6, unique_by=lambda one: one.span_id), st.integers(0, 80))
def test_every_span_has_one_row_inside_the_picture_and_all_time_is_told_once(bars: list[Bar], now: int) -> None:
    picture = draw(bars, now)
    assert sorted(row.bar.span_id for row in picture.rows) == sorted(one.span_id for one in bars)
    assert all(0 <= row.x <= 100 and row.width >= 0 and row.x + row.width <= 100.001 for row in picture.rows)
    assert sum(share.ns for share in picture.shares) == picture.took_ns
    depths = [row.depth for row in picture.rows]
    assert all(after <= before + 1 for before, after in zip([-1, *depths], depths, strict=False))


def later(one: Bar) -> Bar:
    ended = None if one.ended_ns is None else one.ended_ns + SECOND
    return dataclasses.replace(one, started_ns=one.started_ns + SECOND, ended_ns=ended)


@given(st.lists(spans, min_size=1, max_size=6, unique_by=lambda one: one.span_id), st.integers(60, 80))
def test_layout_does_not_depend_on_the_order_of_arrival_or_on_when_it_began(bars: list[Bar], now: int) -> None:
    drawn, shifted = draw(bars, now), draw([later(one) for one in reversed(bars)], now + SECOND)
    assert [(row.bar.span_id, row.depth, row.x, row.width) for row in drawn.rows] == [
        (row.bar.span_id, row.depth, row.x, row.width) for row in shifted.rows
    ]
    assert drawn.shares == shifted.shares


def test_what_a_person_wants_is_kept_as_they_typed_it_and_shown(jonas: Client) -> None:
    page = text(jonas.get("/runs/new/billing-care/"))
    assert "Whoever signs something for this run sees them beside it." in page
    too_long = jonas.post("/runs/new/billing-care/", {"limit": "5", "asked-for": "x" * 2_001})
    assert (too_long.status_code, "Say what you want in at most 2,000 characters." in text(too_long)) == (422, True)
    assert f">{'x' * 2_001}</textarea>" in text(too_long)
    begun = jonas.post("/runs/new/billing-care/", {"limit": "5", "asked-for": " Look <b>twice</b>\r\nplease "})
    run = Run.objects.get()
    assert (run.request, request_of(run)) == ("Look <b>twice</b>\nplease",) * 2
    quoted = '<p class="quoted">“<bdi>Look &lt;b&gt;twice&lt;/b&gt; please</bdi>”</p>'
    assert quoted in text(jonas.get(begun["Location"]))
    Run.objects.update(request="Pay everything out")
    with pytest.raises(Tampered):
        request_of(Run.objects.get())
