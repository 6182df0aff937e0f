"""Several people on one review: who is on it, what they say, who decided it; and nothing of it tells of a vote."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.claims import LASTS, claim_review, claims_on, release_review
from approvals.comments import LONGEST, MOST, add_comment, comments_on, resolve_comment
from approvals.models import Claim, Comment, Review
from approvals.policies.slots import SlotSpec, Way, keep_secrets
from approvals.signoff import ByPassword, BySession, signoff
from approvals.sweep import expire_reviews
from audit.models import Record
from console.core.clock import iso, now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from examples.demo.people import acting
from tests.pages.conftest import PASSWORD, Enter, Hold
from tests.pages.test_votes import everything_shown, staff

__all__ = ["staff"]

pytestmark = pytest.mark.usefixtures("staff")
ONE = SlotSpec((Way("finance"),), signature="password")
TWO = SlotSpec((Way("finance", 2),), signature="password")
OPEN = SlotSpec((Way("finance", 2),), signature="password", blind=False)
SECRETS: dict[str, tuple[list[SlotSpec], bool]] = {
    "one vote ends it": ([ONE], False),
    "two are wanted": ([TWO], True),
    "two are wanted, and all is seen": ([OPEN], False),
    "one slot of two is blind": ([OPEN, ONE], True),
    "a second refusal is wanted": ([SlotSpec((Way("finance"),), refusals=2)], True),
}


@pytest.mark.parametrize("name", SECRETS)
def test_where_votes_are_secret(name: str) -> None:
    slots, secret = SECRETS[name]
    assert keep_secrets(slots) is secret


def page(browser: Client, review: Review) -> str:
    return " ".join(browser.get(f"/reviews/{review.id}/").content.decode().split())


def approve(review: Review, who: str) -> str:
    return signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting(who)).state


def later(claim: Claim) -> None:
    """As if it had been made before: what one holds is not changed, so it is another row."""
    Claim.objects.filter(pk=claim.pk).update(released_at=now())
    Claim.objects.create(review=claim.review, person=claim.person, at=now() - LASTS - dt.timedelta(seconds=1))


def test_others_see_who_is_on_it_and_it_locks_nobody_out(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[OPEN])
    bea = enter("bea")
    assert bea.post(f"/reviews/{review.id}/claim").status_code == 302
    assert "You are on it" in page(bea, review)
    assert "<b><bdi>Bea</bdi></b> is on it" in page(enter("cleo"), review)
    assert "<bdi>Bea</bdi> looks at it" in enter("cleo").get("/reviews/").content.decode()
    assert approve(review, "cleo") == "open"
    assert claim_review(review.id, actor=acting("bea")).pk == Claim.objects.get().pk  # once is enough
    bea.post(f"/reviews/{review.id}/claim/release")
    assert "is on it" not in page(enter("cleo"), review)
    kinds = ["approvals:claim:made", "approvals:claim:released"]
    assert [one.kind for one in Record.objects.filter(kind__in=kinds).order_by("at")] == kinds


def test_it_ends_by_itself(hold: Hold) -> None:
    review, other = hold(slots=[OPEN]), hold(slots=[ONE])
    later(claim_review(review.id, actor=acting("bea")))
    assert claims_on([review.pk]) == []
    with pytest.raises(Conflict):
        release_review(review.id, actor=acting("bea"))
    claim_review(other.id, actor=acting("bea"))
    assert approve(other, "cleo") == "approved"
    assert claims_on([other.pk]) == []


def test_only_whoever_is_asked_says_so(hold: Hold) -> None:
    review, own = hold(slots=[OPEN]), hold(slots=[OPEN], maker="bea")
    for who, wanted, refusal in (("emil", review, NotFound), ("mira", review, Forbidden), ("bea", own, Conflict)):
        with pytest.raises(refusal):
            claim_review(wanted.id, actor=acting(who))
    approve(review, "bea")
    with pytest.raises(Conflict):
        claim_review(review.id, actor=acting("bea"))


@pytest.mark.parametrize("verdict", ["approve", "refuse", "recuse"])
def test_where_votes_are_secret_a_claim_names_nobody_and_stays_after_the_vote(
    hold: Hold, enter: Enter, verdict: str
) -> None:
    review = hold(slots=[TWO])
    claim_review(review.id, actor=acting("bea"))
    before = everything_shown(enter("cleo"), review)
    assert "Somebody of those who are asked looks at it" in before[3]
    assert "is on it" not in before[3]
    assert "<bdi>somebody</bdi> looks at it" in before[0]
    proof = ByPassword(PASSWORD) if verdict == "approve" else BySession()
    signoff(review.id, verdict=verdict, reason="No.", proof=proof, actor=acting("bea"))
    assert everything_shown(enter("cleo"), review) == before
    with pytest.raises(Conflict, match="goes by itself"):
        release_review(review.id, actor=acting("bea"))


def test_where_votes_are_secret_nobody_lets_go_and_whoever_voted_may_still_say_so(hold: Hold) -> None:
    """Otherwise either would tell who has not voted."""
    review = hold(slots=[TWO])
    claim_review(review.id, actor=acting("cleo"))
    with pytest.raises(Conflict, match="goes by itself"):
        release_review(review.id, actor=acting("cleo"))
    approve(review, "bea")
    claim_review(review.id, actor=acting("bea"))
    assert [one.person.username for one in claims_on([review.pk])] == ["cleo", "bea"]


def test_comments_are_read_by_reviewers_and_by_nobody_behind_it(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[ONE])
    bea = enter("bea")
    assert bea.post(f"/reviews/{review.id}/comments", {"text": "Is this\u202e ours?"}).status_code == 302
    for who, reads in (("bea", True), ("cleo", True), ("mira", True), ("theo", True), ("jonas", False)):
        shown = page(enter(who), review)
        assert ('Is this<span class="chip">U+202E</span> ours?' in shown) is reads, who
    assert "1 comment not resolved" in page(enter("cleo"), review)
    assert "1 comment not resolved" not in page(enter("jonas"), review)
    [record] = Record.objects.filter(kind="approvals:comment:made")
    assert "ours" not in bytes(record.leaf).decode()  # it is committed to, and can be erased there


def test_whoever_made_it_neither_reads_nor_writes(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[ONE], maker="bea")
    comment = add_comment(review.id, "Odd.", actor=acting("cleo"))
    assert "Odd." not in page(enter("bea"), review)
    with pytest.raises(Forbidden):
        add_comment(review.id, "No!", actor=acting("bea"))
    with pytest.raises(Forbidden):
        resolve_comment(comment.pk, resolved=True, actor=acting("bea"))


def test_a_comment_is_resolved_and_opened_again_by_rows_of_their_own(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[ONE])
    comment = add_comment(review.id, "Odd.", actor=acting("cleo"))
    bea, address = enter("bea"), f"/reviews/comments/{comment.pk}/resolution"
    bea.post(address, {"resolved": "yes"})
    shown = page(enter("cleo"), review)
    assert "resolved by <bdi>Bea</bdi>" in shown
    assert "not resolved</a>" not in shown
    bea.post(address, {"resolved": "no"})
    assert "1 comment not resolved" in page(enter("cleo"), review)
    with pytest.raises(Conflict):
        resolve_comment(comment.pk, resolved=False, actor=acting("bea"))
    assert list(comment.resolutions.values_list("by__username", "resolved")) == [("bea", True), ("bea", False)]
    assert approve(review, "bea") == "approved"  # it blocks nothing


def test_where_votes_are_secret_one_reads_ones_own_comments_alone(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[TWO])
    before = everything_shown(enter("cleo"), review)
    comment = add_comment(review.id, "I refuse this.", actor=acting("bea"))
    assert everything_shown(enter("cleo"), review) == before
    assert "I refuse this." in page(enter("bea"), review)
    with pytest.raises(NotFound):
        resolve_comment(comment.pk, resolved=True, actor=acting("cleo"))
    assert list(comments_on(review, acting("mira"), secret=True)) == []
    assert (approve(review, "bea"), approve(review, "cleo")) == ("open", "approved")
    assert "I refuse this." in page(enter("cleo"), review)


def test_a_comment_wakes_no_page_where_it_is_not_shown(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    secret, seen = hold(slots=[TWO]), hold(slots=[ONE])
    monkeypatch.setattr("approvals.settle.changed", lambda *topics: told.append(topics))
    add_comment(secret.id, "Odd.", actor=acting("bea"))
    assert told == []
    add_comment(seen.id, "Odd.", actor=acting("bea"))
    assert told != []


def test_what_cannot_be_said(hold: Hold, enter: Enter) -> None:
    review, over = hold(slots=[ONE]), hold(slots=[ONE])
    Review.objects.filter(pk=over.pk).update(expires_at=now() - dt.timedelta(minutes=1))
    expire_reviews()
    for wanted, text, refusal in (
        (review, "  ", Invalid),
        (review, "x" * (LONGEST + 1), Invalid),
        (over, "x", Conflict),
    ):
        with pytest.raises(refusal):
            add_comment(wanted.id, text, actor=acting("bea"))
    Comment.objects.bulk_create([Comment(review=review, author_id=acting("bea").id, text="x") for _ in range(MOST)])
    with pytest.raises(Conflict):
        add_comment(review.id, "x", actor=acting("bea"))
    piece = {"HX-Request": "true", "HX-Target": "together"}
    answer = enter("cleo").post(f"/reviews/{review.id}/comments", {"text": "y" * 2001}, headers=piece)
    assert "Say something, in at most 2,000 characters." in answer.content.decode()
    assert "y" * 2001 in answer.content.decode()


def test_what_was_said_is_never_changed(hold: Hold) -> None:
    comment = add_comment(hold(slots=[ONE]).id, "Odd.", actor=acting("bea"))
    for change in (lambda: Comment.objects.filter(pk=comment.pk).update(text="Fine."), comment.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_who_decided_is_told_to_whoever_comes_too_late(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[TWO])
    approve(review, "bea")
    approve(review, "cleo")
    with pytest.raises(Conflict, match=r"already approved at .*Z by Bea and Cleo\.") as refusal:
        approve(review, "dora")
    review.refresh_from_db()
    assert review.closed_at
    at = iso(review.closed_at)
    assert refusal.value.detail == {"state": "approved", "at": at, "by": ["Bea", "Cleo"]}
    told = enter("dora").post(f"/reviews/{review.id}/challenge", {"verdict": "approve"})
    assert (told.status_code, json.loads(told.content)["detail"]["by"]) == (409, ["Bea", "Cleo"])
    assert enter("emil").post(f"/reviews/{review.id}/challenge", {"verdict": "approve"}).status_code == 404


def test_while_a_slot_is_blind_a_refusal_names_nobody(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[TWO, SlotSpec((Way("legal"),), signature="password")])
    approve(review, "bea")
    approve(review, "cleo")  # finance is done
    told = enter("dora").post(f"/reviews/{review.id}/challenge", {"verdict": "approve"})
    assert "Bea" not in told.content.decode()
    with pytest.raises(Conflict) as refusal:
        approve(review, "bea")
    assert refusal.value.detail == {}


def count(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_pages_ask_as_much_for_thirty_as_for_one(hold: Hold, enter: Enter) -> None:
    review, cleo = hold(slots=[ONE]), enter("cleo")

    def add() -> None:
        claim_review(hold(slots=[ONE]).id, actor=acting("bea"))
        add_comment(review.id, "Odd.", actor=acting("bea"))

    add()
    count(cleo, f"/reviews/{review.id}/")  # that it is read is recorded once
    one = count(cleo, "/reviews/"), count(cleo, f"/reviews/{review.id}/")
    for _ in range(29):
        add()
    assert (count(cleo, "/reviews/"), count(cleo, f"/reviews/{review.id}/")) == one
