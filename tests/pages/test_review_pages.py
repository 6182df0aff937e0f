"""The review room: who sees what, who may press what, and what is said when it does not work."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals import queue, sheet
from approvals.lines import lines
from approvals.models import Decision, Review
from audit.models import Record
from console.accounts.models import Team, User
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.pages.conftest import PASSWORD, Enter, Hold, add_reviewer, everything_but_the_log
from tests.spine.conftest import World


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def piece(target: str, **more: str) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": target, **more}


def decide(browser: Client, review: Review, *, htmx: bool = True, **fields: str) -> Any:
    return browser.post(f"/reviews/{review.id}/decision", fields, headers=piece("main") if htmx else None)


def count_queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_queue_groups_what_waits_and_says_who_waits(hold: Hold, ana: Client) -> None:
    hold("Refund €480.00 to Zoë")
    hold("Refund €1.00 to Kim", maker="mira")
    page = text(ana.get("/reviews/"))
    assert "2 open · 2 due soon" in page
    assert "<h3>Due soon</h3>" in page
    assert "<bdi>Jonas Lindqvist</bdi> waits" in page
    assert "<bdi>Mira Okafor</bdi> waits" in page


def test_sheet_shows_facts_rule_evidence_and_what_is_signed(hold: Hold, ana: Client) -> None:
    review = hold(says="I think so.", evidence=[{"title": "First", "value": {"id": "ch_1", "paid": True}}])
    page = text(ana.get(f"/reviews/{review.id}/"))
    for part in ('<bdi class="exact">€480.00</bdi> </td>', '<span class="stays">stays</span>',
                 "Rule <b><bdi>money</bdi></b>", "1 of finance, by password or passkey within 4 h.",
                 "It is final: it cannot be undone.",
                 "Not decoded: 1 part of the arguments.", '<span class="undecoded">not decoded</span>',
                 "<bdi>ch_1</bdi>", "(unverified, 3 words)", "acorn-acorn-acorn-acorn-0000"):  # fmt: skip
        assert part in page
    assert "Nothing</bdi>" not in page


def test_sheet_tells_the_workflow_version_from_the_log(held: World, enter: Enter) -> None:
    page = text(enter("ana").get(f"/reviews/{held.review(large=True).id}/"))
    assert "Prepared by <b><bdi>billing-care</bdi></b> v1 for <bdi>Jonas Lindqvist</bdi>" in page
    assert "<bdi>First charge</bdi>" in page


def test_pieces_are_answered_without_the_page_around_them(hold: Hold, ana: Client) -> None:
    review = hold()
    for address, target in (
        ("/reviews/", "queue"),
        (f"/reviews/{review.id}/", "main"),
        (f"/reviews/{review.id}/", "state"),
    ):
        answer = ana.get(address, headers=piece(target))
        assert (answer.status_code, b"<html" in answer.content) == (200, False)


def test_nothing_is_styled_or_scripted_in_place(hold: Hold, ana: Client) -> None:
    page = ana.get(f"/reviews/{hold().id}/").content
    assert b" style=" not in page
    assert b"onclick" not in page


def test_reading_is_recorded_once_and_changes_nothing_else(hold: Hold, ana: Client) -> None:
    review = hold()
    before = everything_but_the_log()
    ana.get(f"/reviews/{review.id}/", headers=piece("main", **{"X-Prefetch": "1"}))
    ana.get(f"/reviews/{review.id}/", headers=piece("state"))
    assert not Record.objects.of(review.id).filter(kind="audit:page:read").exists()
    ana.head(f"/reviews/{review.id}/", headers=piece("main"))
    ana.get(f"/reviews/{review.id}/")
    assert Record.objects.of(review.id).filter(kind="audit:page:read").count() == 1
    assert everything_but_the_log() == before


def test_only_post_decides_and_only_get_reads(hold: Hold, ana: Client) -> None:
    review = hold()
    answers = [ana.post("/reviews/"), ana.post(f"/reviews/{review.id}/"), ana.get(f"/reviews/{review.id}/decision"),
               ana.get(f"/reviews/{review.id}/challenge")]  # fmt: skip
    assert [answer.status_code for answer in answers] == [405] * 4


def test_signed_out_visitors_are_led_to_the_sign_in(hold: Hold, client: Client) -> None:
    answer = client.get(f"/reviews/{hold().id}/", headers={"host": "localhost"})
    assert answer["Location"].startswith("/sign-in/?next=")


def test_people_without_a_role_are_refused(hold: Hold, enter: Enter) -> None:
    review, noa = hold(), enter("noa")
    answers = [
        noa.get("/reviews/"),
        noa.get(f"/reviews/{review.id}/"),
        decide(noa, review, verdict="refuse", reason="x"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 3


def test_other_teams_and_other_groups_find_nothing(hold: Hold, enter: Enter, stranger: Client) -> None:
    review = hold()
    for browser in (stranger, enter("sam")):
        addresses = [f"/reviews/{review.id}/", f"/reviews/{review.id}/challenge", f"/reviews/{review.id}/decision"]
        answers = [browser.get(addresses[0]), browser.post(addresses[1]), browser.post(addresses[2])]
        assert [answer.status_code for answer in answers] == [404] * 3
        assert "Nothing waits for you" in text(browser.get("/reviews/"))


@pytest.mark.parametrize("who", ["theo", "mira", "jonas"])
def test_those_who_only_read_see_why_and_no_buttons(hold: Hold, enter: Enter, who: str) -> None:
    review = hold()
    page = text(enter(who).get(f"/reviews/{review.id}/"))
    assert "You can read this. It is decided by a reviewer of <b>finance</b>." in page
    assert "data-hold" not in page
    assert "Refuse" not in page
    assert "Yours to read" in page
    assert decide(enter(who), review, verdict="refuse", reason="No.").status_code == 403


def test_who_started_it_sees_why_they_cannot_sign(hold: Hold, office: Team, enter: Enter) -> None:
    add_reviewer(office, "max", "operator")
    review, browser = hold(maker="max"), enter("max")
    page = text(browser.get(f"/reviews/{review.id}/"))
    assert "You started this, so somebody else has to decide." in page
    assert "<summary" not in page.partition('id="decide"')[2]
    answer = decide(browser, review, verdict="approve", password=PASSWORD)
    assert (answer.status_code, answer["HX-Retarget"]) == (403, "#decide")


def test_queries_do_not_grow_with_rows(hold: Hold, ana: Client) -> None:
    review = hold(evidence=[{"title": "One", "value": {"id": 1}}])
    ana.get(f"/reviews/{review.id}/")
    ana.get("/reviews/")
    once = [
        count_queries(ana, address) for address in ("/reviews/", "/reviews/?state=closed", f"/reviews/{review.id}/")
    ]
    assert once[0] <= 12
    for number in range(29):
        hold(f"Refund number {number}", maker=("jonas", "mira")[number % 2])
    assert once == [
        count_queries(ana, address) for address in ("/reviews/", "/reviews/?state=closed", f"/reviews/{review.id}/")
    ]


def test_a_password_approves_what_allows_it_and_the_next_review_follows(hold: Hold, ana: Client) -> None:
    review, following = hold(), hold("Refund €9.00 to Kim")
    answer = decide(ana, review, verdict="approve", password=PASSWORD)
    assert (answer.status_code, answer["HX-Push-Url"]) == (200, f"/reviews/{following.id}/")
    page = text(answer)
    assert "Approved: <bdi>Refund €480.00 to Zoë</bdi> 1 left." in page
    assert "Refund €9.00 to Kim" in page
    assert Decision.objects.get().level == "password"
    assert Review.objects.get(pk=review.pk).state == "approved"
    assert "password, weaker" in text(ana.get(f"/reviews/{review.id}/"))


def test_without_scripts_a_decision_leads_to_the_next_page(hold: Hold, ana: Client) -> None:
    review, following = hold(), hold("Refund €9.00 to Kim")
    assert decide(ana, review, htmx=False, verdict="refuse", reason="Wrong.")["Location"] == f"/reviews/{following.id}/"
    assert decide(ana, following, htmx=False, verdict="approve", password=PASSWORD)["Location"] == "/reviews/"
    assert sorted(Review.objects.values_list("state", flat=True)) == ["approved", "refused"]


def test_a_wrong_password_is_told_beside_the_field(hold: Hold, ana: Client) -> None:
    review = hold()
    answer = decide(ana, review, verdict="approve", password="wrong")
    assert (answer.status_code, answer["HX-Retarget"], answer["HX-Reswap"]) == (403, "#decide", "outerHTML")
    assert 'id="password-error">The password is not right.' in text(answer)
    answers = [decide(ana, review, verdict="approve", password="wrong") for _ in range(5)]
    assert answers[-1].status_code == 429
    assert "Wait five minutes" in text(answers[-1])
    assert not Decision.objects.exists()


def test_a_password_is_not_enough_where_a_passkey_is_asked(hold: Hold, ana: Client) -> None:
    review = hold(signature="passkey")
    page = text(ana.get(f"/reviews/{review.id}/"))
    assert "and you have none yet" in page
    assert "/account/passkeys/add/" in page
    assert 'type="password"' not in page
    answer = decide(ana, review, verdict="approve", password=PASSWORD)
    assert (answer.status_code, "This has to be signed with a passkey." in text(answer)) == (403, True)


def test_a_refusal_needs_a_reason_which_is_not_lost_when_it_is_too_long(hold: Hold, ana: Client) -> None:
    review = hold()
    bare = decide(ana, review, verdict="refuse", reason=" ")
    assert (bare.status_code, "Say why you refuse" in text(bare), 'aria-invalid="true"' in text(bare)) == (
        422,
        True,
        True,
    )
    long = decide(ana, review, verdict="refuse", reason="Because. " * 300)
    assert (long.status_code, long.content.count(b"Because.")) == (422, 300)
    page = decide(ana, review, htmx=False, verdict="refuse", reason="Because. " * 300)
    assert (page.status_code, page.content.count(b"Because."), b"<html" in page.content) == (422, 300, True)


def test_a_passkey_signs_what_the_challenge_was_made_of(hold: Hold, ana: Client) -> None:
    review, soft = hold(signature="passkey"), SoftAuthenticator()
    refused = ana.post(f"/reviews/{review.id}/challenge", {"verdict": "approve"})
    assert (refused.status_code, refused.json()["code"]) == (400, "no_passkey")
    soft.register(User.objects.get(username="ana"), acting("ana"))
    assert "data-hold" in text(ana.get(f"/reviews/{review.id}/"))
    prepared = ana.post(f"/reviews/{review.id}/challenge", {"verdict": "approve"}).json()
    assertion = json.dumps(soft.sign_options(prepared["options"]))
    other = decide(ana, review, verdict="refuse", reason="x", prepared=prepared["prepared"], assertion=assertion)
    assert other.status_code == 422
    done = decide(ana, review, verdict="approve", prepared=prepared["prepared"], assertion=assertion)
    assert (done.status_code, Decision.objects.get().level) == (200, "passkey")


@pytest.mark.parametrize("assertion", ["[]", "{", '"x"', "{}"])
def test_an_assertion_that_is_none_is_refused_in_place(hold: Hold, ana: Client, assertion: str) -> None:
    answer = decide(ana, hold(), verdict="approve", prepared="x", assertion=assertion)
    assert (answer.status_code, answer["HX-Retarget"]) == (422, "#decide")


def test_what_was_decided_elsewhere_is_told_in_place(hold: Hold, office: Team, enter: Enter, ana: Client) -> None:
    add_reviewer(office, "bea")
    review = hold()
    assert 'id="decide"' not in text(ana.get(f"/reviews/{review.id}/", headers=piece("state")))
    decide(enter("bea"), review, verdict="refuse", reason="Two orders.")
    state = text(ana.get(f"/reviews/{review.id}/", headers=piece("state")))
    assert "Refused; nothing was sent." in state
    assert '<div id="decide" hx-swap-oob="innerHTML">' in state
    assert "Two orders." in state
    late = decide(ana, review, verdict="approve", password=PASSWORD)
    assert (late.status_code, "already refused" in text(late)) == (409, True)


def test_nobody_sees_how_others_voted_before_they_have(hold: Hold, office: Team, enter: Enter, ana: Client) -> None:
    add_reviewer(office, "bea")
    review = hold(count=2)
    decide(ana, review, verdict="approve", password=PASSWORD)
    asked, voted = (text(browser.get(f"/reviews/{review.id}/")) for browser in (enter("bea"), ana))
    assert "I approve that exactly this is done.”</span>" not in asked
    assert "Whether and how others decided is shown when all have." in asked
    assert "You have decided; others are still asked." in voted
    assert "“I approve that exactly this is done.”</span>" in voted


def test_a_doubt_asks_whether_it_happened_and_how_one_knows(hold: Hold, ana: Client) -> None:
    review = hold(kind="doubt")
    page = text(ana.get(f"/reviews/{review.id}/"))
    assert "Did it happen?" in page
    assert "It happened <kbd>A</kbd>" in page
    assert "It did not happen <kbd>R</kbd>" in page
    bare = decide(ana, review, verdict="approve", password=PASSWORD)
    assert (bare.status_code, "Say how you know" in text(bare)) == (422, True)
    wrong = decide(ana, review, verdict="approve", reason="Seen in their list.", password="wrong")
    assert (wrong.status_code, "Seen in their list." in text(wrong)) == (403, True)


def test_hostile_texts_are_spelled_out_and_never_markup(hold: Hold, ana: Client) -> None:
    bad = "a\u202eb<img src=x>"
    review = hold(bad, says=bad, evidence=[{"title": bad, "value": {bad: bad, "deep": {bad: [bad]}}}])
    for page in (text(ana.get(f"/reviews/{review.id}/")), text(ana.get("/reviews/"))):
        assert "<img" not in page
        assert 'a<span class="chip">U+202E</span>b&lt;img src=x&gt;' in page
    page = ana.get(f"/reviews/{review.id}/").content.decode()
    assert "\u202e" not in page
    assert "A text holds characters that cannot be seen or are easily misread." in page


def test_decided_reviews_are_paged_by_keyset(hold: Hold, ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "PAGE", 2)
    for number in range(3):
        decide(ana, hold(f"Refund number {number}"), verdict="refuse", reason="No.")
    first = ana.get("/reviews/?state=closed").context["queue"].groups[0]
    assert [item.review.action.sentence for item in first.items] == ["Refund number 2", "Refund number 1"]
    rest = ana.get("/reviews/", {"state": "closed", "after": first.more}).context["queue"].groups[0]
    assert ([item.review.action.sentence for item in rest.items], rest.more) == (["Refund number 0"], "")
    assert ana.get("/reviews/?state=closed&after=nonsense~x").status_code == 422


def test_open_reviews_of_the_team_are_paged_by_keyset(
    hold: Hold, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "PAGE", 2)
    made, theo = [hold().id for _ in range(3)], enter("theo")
    assert "All that is open" in text(theo.get("/reviews/"))
    first = theo.get("/reviews/?state=open").context["queue"].groups[0]
    rest = theo.get("/reviews/", {"state": "open", "after": first.more}).context["queue"].groups[0]
    assert [item.review.id for item in [*first.items, *rest.items]] == made


def test_what_waits_for_somebody_and_what_they_only_read_are_counted_apart(
    hold: Hold, office: Team, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "PAGE", 2)
    add_reviewer(office, "max", "operator")
    waiting, own = [hold().id for _ in range(3)], [hold(maker="max").id for _ in range(3)]
    shown = enter("max").get("/reviews/").context["queue"]
    told = [(group.title, [item.review.id for item in group.items], group.more) for group in shown.groups]
    assert told == [("Due soon", waiting[:2], "more"), ("Yours to read", own[:2], "more")]
    assert (shown.waiting, shown.due_soon) == (3, 3)


@pytest.mark.parametrize("who", ["theo", "mira"])
def test_who_only_reads_finds_an_empty_queue_before_there_is_anything(office: Team, enter: Enter, who: str) -> None:
    shown = enter(who).get("/reviews/").context["queue"]
    assert (shown.waiting, shown.due_soon, shown.groups) == (0, 0, [])


def test_empty_queue_says_how_a_review_arises(ana: Client) -> None:
    assert "A review arises when a run wants to do something" in text(ana.get("/reviews/"))


def test_lines_say_money_only_where_it_is_money() -> None:
    said = lines(
        [
            {"label": "a", "was": 100, "becomes": 250, "format": "money", "currency": "eur"},
            {"label": "b", "was": None, "becomes": 250, "format": "money"},
            {"label": "c", "was": True, "becomes": None, "format": "text"},
            {"label": "d", "was": None, "becomes": {"x": 1}, "format": "text"},
            {"label": "e", "was": 0, "becomes": 0, "format": "text"},
            {"label": "f", "was": None, "becomes": 86_400, "format": "time"},
        ]
    )
    assert [(line.was, line.becomes, line.format, line.unchanged) for line in said] == [
        ("€1.00", "€2.50", "money", False),
        ("–", "250", "undecoded", False),
        ("yes", "–", "text", False),
        ("–", '{\n  "x": 1\n}', "json", False),
        ("0", "0", "text", True),
        ("–", "1970-01-02 00:00:00 UTC", "time", False),
    ]


def test_evidence_of_one_shape_stands_side_by_side_and_what_differs_comes_first() -> None:
    first, second = {"id": 1, "paid": True, "items": [1]}, {"id": 2, "paid": True, "items": [2]}
    together, alone = sheet.evidence(
        [{"title": "A", "value": first}, {"title": "B", "value": second}, {"title": "C", "value": "text"}]
    )
    assert together.titles == ("A", "B")
    assert together.shown == (sheet.Row("id", ("1", "2"), True), sheet.Row("paid", ("yes", "yes"), False))
    assert together.whole == (("A", first), ("B", second))
    assert alone.shown == (sheet.Row("", ("text",), False),)
