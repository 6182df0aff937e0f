"""Who is shown how people review, and that nothing of it tells of a review that is open."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.care.habits import Share
from approvals.care.reviewers import own_habits, team_habits
from approvals.models import Action, Review
from approvals.policies.slots import SlotSpec, Way
from approvals.signoff import ByPassword, BySession, signoff
from audit.models import Record
from audit.move import begin, move
from console.accounts.models import Team, User
from console.core.clock import now
from console.notices.models import Preference
from examples.demo.people import acting
from tests.pages.conftest import DOOR, PASSWORD, Enter, Hold, add_reviewer

TWO = SlotSpec((Way("finance", 2),), signature="password")


@pytest.fixture(autouse=True)
def two_reviewers(office: Team, ana: Any) -> None:
    add_reviewer(office, "bea")
    bea = User.objects.get(username="bea")
    bea.set_password(PASSWORD)
    bea.save(update_fields=["password", "password_attestation"])


def approve(review: Review, who: str) -> None:
    signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting(who))


def refuse(review: Review, who: str) -> None:
    signoff(review.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting(who))


def own(office: Team, who: str) -> Any:
    return own_habits(office.pk, acting(who).id)


def page(enter: Enter, who: str, which: str) -> str:
    whole = " ".join(enter(who).get(f"/reviews/how-{which}-review/").content.decode().split())
    return whole.partition("<main")[2].partition("</main>")[0]


def test_a_vote_counts_once_its_review_is_over_and_disagreement_is_told_then(hold: Hold, office: Team) -> None:
    review = hold(slots=[TWO])
    approve(review, "bea")
    assert (own(office, "bea").votes, team_habits(office.pk)) == (0, [])
    refuse(review, "ana")
    bea, ana = own(office, "bea"), own(office, "ana")
    assert (bea.votes, bea.approvals, bea.differing) == (1, 1, Share(1, 1))
    assert (ana.votes, ana.approvals, ana.differing) == (1, 0, Share(1, 1))
    assert [one.person.username for one in team_habits(office.pk)] == ["ana", "bea"]


def test_no_page_shows_that_somebody_has_voted_while_others_are_asked(hold: Hold, enter: Enter) -> None:
    approve(hold(), "bea")
    review = hold(slots=[TWO])
    before = [page(enter, "ana", "i"), page(enter, "theo", "we")]
    approve(review, "bea")
    assert [page(enter, "ana", "i"), page(enter, "theo", "we")] == before
    approve(review, "ana")
    assert [page(enter, "ana", "i"), page(enter, "theo", "we")] != before


def test_whoever_agrees_does_not_differ_and_alone_there_is_nobody_to_differ_from(hold: Hold, office: Team) -> None:
    review = hold(slots=[TWO])
    approve(review, "bea")
    approve(review, "ana")
    approve(hold(), "bea")
    assert own(office, "bea").differing == Share(0, 1)


def test_what_was_approved_and_taken_back_later_is_told(hold: Hold, office: Team) -> None:
    action = hold().action
    approve(Review.objects.get(action=action), "bea")
    action.refresh_from_db()
    done(action)
    assert own(office, "bea").taken_back == Share(0, 1)
    back = Action(team=office, operation=action.operation, arguments={}, grantee="people", attestation=bytes(64),
                  reverses=action)  # fmt: skip
    begin(back, actor=DOOR)
    move(back, "permitted", actor=DOOR)
    done(back)
    assert own(office, "bea").taken_back == Share(1, 1)


def done(action: Action) -> None:
    move(action, "executing", actor=DOOR)
    move(action, "succeeded", actor=DOOR, settled_at=now())


def test_hours_are_the_reviewers_own(hold: Hold, office: Team) -> None:
    approve(hold(), "bea")
    rates = set()
    for zone in ("Etc/GMT+6", "UTC", "Etc/GMT-6", "Etc/GMT-12"):  # whenever this runs it is day in one, night in one
        Preference.objects.update_or_create(user_id=acting("bea").id, defaults={"zone": zone})
        rates.add(own(office, "bea").late)
    assert rates == {Share(0, 1), Share(1, 1)}


def test_one_sees_oneself_and_who_sees_the_team_is_in_the_log(hold: Hold, enter: Enter, office: Team) -> None:
    approve(hold(), "bea")
    assert "1: 1 approved, 0 refused" in page(enter, "bea", "i")
    assert "Nothing is known yet" in page(enter, "ana", "i")
    assert not Record.objects.of(office.pk).filter(kind="audit:page:read").exists()
    assert "<bdi>Bea</bdi>" in page(enter, "theo", "we")
    assert Record.objects.of(office.pk).filter(kind="audit:page:read").count() == 1
    assert [enter(who).get("/reviews/how-we-review/").status_code for who in ("mira", "ana", "jonas")] == [
        200,
        403,
        403,
    ]


def test_other_teams_are_not_counted(hold: Hold, office: Team, stranger: Any) -> None:
    approve(hold(), "bea")
    assert "Nothing is known yet" in stranger.get("/reviews/how-we-review/").content.decode()


def test_more_votes_cost_no_more_queries(hold: Hold, office: Team) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            team_habits(office.pk)
        return len(captured)

    approve(hold(), "bea")
    few = count()
    for _ in range(5):
        approve(hold(), "ana")
    assert count() == few
