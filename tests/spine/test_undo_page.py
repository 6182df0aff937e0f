"""The page on which people ask that something be undone."""

import pytest

from approvals.models import Action, Review
from examples.demo.access import WANTED
from examples.demo.people import acting
from integrations.describe import revoke_grant
from integrations.models import Grant
from tests.access.conftest import browser
from tests.spine.conftest import World, the_access_review

ADDRESS = "/reviews/undo/"


@pytest.fixture
def done(asked: World) -> Action:
    review = asked.sign(the_access_review())
    asked.settle()
    return Action.objects.get(pk=review.action_id, state="succeeded")


def test_it_says_what_would_be_done_and_what_is_lost(done: Action) -> None:
    for query in (f"?action={done.id}", f"?run={done.run}", f"?grantee={done.grantee}", ""):
        page = browser("jonas").get(f"{ADDRESS}{query}").content.decode()
        for said in ("Attach the policy payouts-operate to the user linnea.berg", "detach_user_policy", WANTED,
                     "What the user did with it meanwhile stays done."):  # fmt: skip
            assert said in page, (query, said)


def test_asked_for_here_it_waits_for_a_signature(asked: World, done: Action) -> None:
    answer = browser("jonas").post(
        f"{ADDRESS}ask?action={done.id}", {"action": done.id, "says": "She <b>left</b>."}, follow=True
    )
    assert answer.redirect_chain == [(f"{ADDRESS}?action={done.id}", 302)]
    assert "being prepared" in answer.content.decode()
    asked.settle()
    review = Review.objects.get(action__reverses=done)
    page = browser("ana").get(f"{ADDRESS}?action={done.id}").content.decode()
    assert f"/reviews/{review.id}/" in page
    assert "waits for a signature" in page
    sheet = browser("ana").get(f"/reviews/{review.id}/").content.decode()
    assert f'href="{ADDRESS}?action={done.id}"' in sheet
    assert "Asked for by <b>" in sheet
    assert "She &lt;b&gt;left&lt;/b&gt;." in sheet


def test_without_a_grant_the_page_says_so_and_leads_an_admin_to_it(done: Action) -> None:
    revoke_grant(Grant.objects.get(grantee="people"), actor=acting("mira"))
    for who, offered in (("jonas", False), ("mira", True)):
        page = browser(who).get(f"{ADDRESS}?action={done.id}").content.decode()
        assert "People are not granted the operation that undoes it." in page
        assert ("?grantee=people&amp;operations=detach_user_policy" in page) is offered
        assert "Ask for it to be undone" not in page


def test_an_auditor_reads_and_a_person_without_a_role_does_not(done: Action) -> None:
    page = browser("theo").get(f"{ADDRESS}?action={done.id}").content.decode()
    assert "Attach the policy payouts-operate" in page
    assert "Ask for it" not in page
    assert browser("theo").post(f"{ADDRESS}ask", {"action": done.id, "says": "no"}).status_code == 403
    assert browser("noa").get(ADDRESS).status_code == 403


def test_what_went_wrong_keeps_what_was_typed(done: Action) -> None:
    answer = browser("jonas").post(f"{ADDRESS}ask?run={done.run}", {"says": "Typed before choosing."})
    assert answer.status_code == 422
    assert "Nothing was asked for." in answer.content.decode()
    assert "Typed before choosing." in answer.content.decode()
    assert not Action.objects.filter(reverses__isnull=False).exists()
