"""The page on which reviews of one kind are decided together."""

import json

import pytest
from django.test import Client

from approvals.bulk import decide_several
from approvals.models import Action, Decision, Review
from approvals.publish import publish_policy
from console.accounts.models import User
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.pages.conftest import Enter
from tests.pages.test_review_pages import count_queries, text
from tests.pages.test_undecoded import held, notes

__all__ = ["notes"]

FINANCE = (
    "policy: p\nrules:\n  - {id: rest, when: {}, then: review, review: {slots: [{group: finance, signature: %s}]}}\n"
)


@pytest.fixture
def key(notes: None) -> SoftAuthenticator:
    publish_policy(FINANCE % "passkey", actor=acting("mira"))
    key = SoftAuthenticator()
    key.register(User.objects.get(username="ana"), acting("ana"))
    return key


def post(client: Client, reviews: list[Review], key: SoftAuthenticator, **said: str) -> str:
    """As the browser does it."""
    given = {"review": [one.id for one in reviews], "verdict": "approve", **said}
    made = client.post("/reviews/alike/challenge", given)
    assert made.status_code == 200, made.content
    signed = {"prepared": made.json()["prepared"], "assertion": json.dumps(key.sign_options(made.json()["options"]))}
    return text(client.post(f"/reviews/{reviews[0].id}/alike/decision", {**given, **signed}, follow=True))


def test_page_shows_all_of_each_and_what_they_share_once(key: SoftAuthenticator, enter: Enter) -> None:
    reviews = [held(text=said) for said in ("Pay <b>me</b>", "Call back")]
    ana = enter("ana")
    link = f'<a class="link" href="/reviews/{reviews[0].id}/alike/"'
    assert link in text(ana.get(f"/reviews/{reviews[0].id}/"))
    page = text(ana.get(f"/reviews/{reviews[0].id}/alike/"))
    assert "Decide together: <bdi>Add a note</bdi>" in page
    for review, said in zip(reviews, ("Pay &lt;b&gt;me&lt;/b&gt;", "Call back"), strict=True):
        assert f'name="review" value="{review.id}" checked' in page
        assert said in page
    assert "The same in all" not in page
    assert "Hold to sign the list" in page


def test_those_that_are_ticked_are_decided_and_the_rest_waits(key: SoftAuthenticator, enter: Enter) -> None:
    reviews = [held(text=said) for said in "abc"]
    page = post(enter("ana"), reviews[:2], key)
    assert "You approved 2 with one signature." in page
    assert [Review.objects.get(pk=one.pk).state for one in reviews] == ["approved", "approved", "open"]
    assert set(Decision.objects.values_list("level", flat=True)) == {"passkey"}


def test_refused_together_with_a_reason(key: SoftAuthenticator, enter: Enter) -> None:
    reviews = [held(text=said) for said in "ab"]
    assert "You refused 2 with one signature." in post(enter("ana"), reviews, key, verdict="refuse", reason="Enough.")
    assert {one.outcome["text"] for one in Action.objects.filter(state="refused") if one.outcome} == {"Enough."}


def test_what_was_decided_elsewhere_meanwhile_is_named(
    key: SoftAuthenticator, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = [held(text=said) for said in "ab"]

    def late(**given: object) -> object:
        enter("ana").post(f"/reviews/{reviews[1].id}/decision", {"verdict": "refuse", "reason": "No."})
        return decide_several(**given)  # type: ignore[arg-type]

    monkeypatch.setattr("approvals.bulk_views.decide_several", late)
    page = post(enter("ana"), reviews, key)
    assert "1 not decided" in page
    assert f'href="/reviews/{reviews[1].id}/"' in page


def test_without_a_passkey_the_page_says_what_to_do(notes: None, enter: Enter) -> None:
    publish_policy(FINANCE % "password", actor=acting("mira"))
    first, _ = held(text="a"), held(text="b")
    page = text(enter("ana").get(f"/reviews/{first.id}/alike/"))
    assert "passkey needed" in page
    assert "Hold to sign the list" not in page


def test_one_alone_has_no_such_page(key: SoftAuthenticator, enter: Enter) -> None:
    review = held(text="a")
    ana = enter("ana")
    assert "/alike/" not in text(ana.get(f"/reviews/{review.id}/"))
    assert "Nothing else of this kind waits for you" in text(ana.get(f"/reviews/{review.id}/alike/"))
    held(text="b", options={"to": "everybody"})  # could not be decoded
    assert "Nothing else of this kind waits for you" in text(ana.get(f"/reviews/{review.id}/alike/"))


def test_sheet_asks_at_most_two_queries_more_for_the_link(key: SoftAuthenticator, enter: Enter) -> None:
    ana, review = enter("ana"), held(text="a")
    alone = count_queries(ana, f"/reviews/{review.id}/")
    held(text="b")
    assert count_queries(ana, f"/reviews/{review.id}/") <= alone + 2


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"verdict": "approve"},
        {"verdict": "recuse", "review": ["x", "y"]},
        {"verdict": "approve", "review": ["x", "y"]},
    ],
)
def test_rubbish_signs_nothing(key: SoftAuthenticator, enter: Enter, given: dict[str, object]) -> None:
    review = held(text="a")
    ana = enter("ana")
    assert ana.post("/reviews/alike/challenge", given).status_code in (404, 422)
    for assertion in ("", "{}", "[]"):
        answer = ana.post(f"/reviews/{review.id}/alike/decision", {**given, "prepared": "x", "assertion": assertion})
        assert answer.status_code == 422
        assert "Nothing was decided" in text(answer)
