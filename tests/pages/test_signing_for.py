"""Signing in another's place: what it reaches, and that two people never have two votes."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.access import visible_actions
from approvals.delegations import end_delegation
from approvals.digests import read_payload
from approvals.models import Decision
from approvals.policies.slots import Way
from approvals.signoff import BySession, signoff
from approvals.sweep import recount_reviews
from approvals.voters import standins_of
from audit.models import Record
from console.accounts.people import deactivate_user
from console.core.errors import Conflict, Forbidden, NotFound, Refusal
from examples.demo.people import acting
from tests.pages.conftest import DOOR, PASSWORD, Enter, Hold
from tests.pages.delegating import LAW, ONE, TWO, approve, give, role, sees, user, waits
from tests.pages.delegating import staff as staff
from tests.pages.test_votes import everything_shown

pytestmark = pytest.mark.usefixtures("staff")


def test_a_delegate_sees_and_signs_what_the_delegator_could(hold: Hold) -> None:
    review = hold(slots=[ONE])
    assert not sees(review, "bo")
    delegation = give()
    assert (sees(review, "bo"), waits(review, "bo"), waits(review, "ada")) == (True, True, True)
    assert approve(review, "bo") == "approved"
    [decision] = Decision.objects.all()
    assert (decision.by, decision.groups, decision.delegation) == ("Bo for Ada", ["finance"], delegation)
    said = read_payload(bytes(decision.payload))
    assert (said["reviewer"], said["on_behalf_of"], said["delegation"], said["groups"]) == (
        user("bo").pk, user("ada").pk, delegation.pk, ["finance"])  # fmt: skip
    record = Record.objects.get(kind="approvals:decision:made")
    told = json.loads(bytes(record.leaf))["detail"]
    assert (told["on_behalf_of"], told["delegation"]) == (user("ada").pk, delegation.pk)


def test_a_vote_for_oneself_names_nobody_else(hold: Hold) -> None:
    review = hold(slots=[ONE])
    approve(review, "ada")
    said = read_payload(bytes(Decision.objects.get().payload))
    assert {"on_behalf_of", "delegation"}.isdisjoint(said)


def test_the_two_are_one_vote_whoever_comes_first(hold: Hold) -> None:
    first, second = hold(slots=[TWO]), hold(slots=[TWO])
    give()
    assert (approve(first, "bo"), approve(second, "ada")) == ("open", "open")
    with pytest.raises(Conflict, match="already counted"):
        approve(first, "ada")
    with pytest.raises(Conflict, match="already counted"):
        approve(second, "bo")
    assert [waits(first, "ada"), waits(first, "bo"), waits(second, "ada"), waits(second, "bo")] == [False] * 4
    assert (approve(first, "cy"), approve(second, "cy")) == ("approved", "approved")


def test_whoever_signed_for_one_signs_for_no_second(hold: Hold) -> None:
    review = hold(slots=[TWO])
    give("ada")
    give("cy")
    assert approve(review, "bo") == "open"
    with pytest.raises(Conflict):
        approve(review, "bo")
    assert approve(review, "cy") == "approved"


def test_whoever_is_asked_themself_signs_for_themself(hold: Hold) -> None:
    review = hold(slots=[TWO])
    give("ada", "cy")
    assert approve(review, "cy") == "open"
    assert Decision.objects.get().on_behalf_of is None
    assert approve(review, "ada") == "approved"


def test_sql_gives_nobody_a_second_vote(hold: Hold) -> None:
    review = hold(slots=[TWO])
    given = give()
    approve(review, "bo")
    [vote] = Decision.objects.all()
    for who, for_whom in (("ada", None), ("cy", "ada"), ("cy", "bo")):
        again = Decision(review=review, slot=vote.slot, reviewer=user(who), verdict="approve", level="password",
                         payload=b"{}", nonce=who, attestation=bytes(64))  # fmt: skip
        if for_whom:
            again.on_behalf_of, again.delegation, again.nonce = user(for_whom), given, who + for_whom
        with pytest.raises(IntegrityError), transaction.atomic():
            again.save(force_insert=True)
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("maker", ["ada", "bo"])
def test_neither_of_the_two_has_made_it(hold: Hold, maker: str) -> None:
    review = hold(slots=[ONE], maker=maker)
    give()
    assert (sees(review, "bo"), waits(review, "bo")) == (False, False)
    with pytest.raises(NotFound):
        approve(review, "bo")


def test_nothing_is_passed_on(hold: Hold) -> None:
    """Bo may sign for Ada, Dora for Bo: Dora signs nothing for Ada."""
    review = hold(slots=[ONE])
    give("ada", "bo")
    give("bo", "dora")
    assert (waits(review, "bo"), sees(review, "dora"), waits(review, "dora")) == (True, False, False)
    with pytest.raises(NotFound):
        approve(review, "dora")


def test_caps_and_categories_bound_it(hold: Hold) -> None:
    """The operation is financial alone."""
    money = {"currency": "eur", "amount_minor": 5_000}
    review = hold(slots=[ONE], **money)
    for bounds, covered in (
        ({"at_most": 5_000, "currency": "EUR"}, True),
        ({"at_most": 4_999, "currency": "eur"}, False),
        ({"at_most": 9_000, "currency": "usd"}, False),
        ({"categories": ["financial"]}, True),
        ({"categories": ["legal", "other"]}, False),
    ):
        delegation = give(**bounds)
        assert (sees(review, "bo"), waits(review, "bo")) == (covered, covered), bounds
        if not covered:
            with pytest.raises(NotFound):
                approve(review, "bo")
        end_delegation(delegation.pk, actor=acting("ada"))
    give(at_most=1, currency="eur")
    assert not sees(hold(slots=[ONE]), "bo")  # its amount is not known


def test_what_the_slot_asks_of_a_signer_is_asked_of_both(hold: Hold) -> None:
    lawyer = replace(ONE, where="'legal' in signer_groups")
    give("ada", "bo")
    with pytest.raises(Forbidden, match="somebody else of your groups"):
        approve(hold(slots=[lawyer]), "bo")
    role("bo", "reviewer", groups=("legal",))
    with pytest.raises(Forbidden, match="somebody else of your groups"):
        approve(hold(slots=[lawyer]), "bo")  # Ada could not sign it
    role("ada", "reviewer", groups=("finance", "legal"))
    assert approve(hold(slots=[lawyer]), "bo") == "approved"


def test_whoever_signed_earlier_in_a_run_has_no_delegate_for_it_either(hold: Hold) -> None:
    apart = replace(ONE, separation=("earlier_signers",))
    first, second = (hold(slots=[apart], run="r", step=f"step {n}") for n in range(2))
    give("ada", "bo")
    approve(first, "ada")
    with pytest.raises(Forbidden, match="somebody else of your groups"):
        approve(second, "bo")
    third, fourth = (hold(slots=[apart], run="s", step=f"other {n}") for n in range(2))
    approve(third, "bo")
    with pytest.raises(Forbidden, match="somebody else of your groups"):
        approve(fourth, "ada")


def test_a_password_where_a_passkey_is_asked_is_none_of_a_delegate_either(hold: Hold) -> None:
    give()
    with pytest.raises(Forbidden, match="passkey"):
        approve(hold(slots=[replace(ONE, signature="passkey")]), "bo")


def test_whoever_is_still_asked_finds_no_trace_of_it(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[TWO])
    give()
    before = everything_shown(enter("cy"), review)
    approve(review, "bo")
    assert everything_shown(enter("cy"), review) == before


def test_a_delegate_sees_the_action_too(hold: Hold) -> None:
    review = hold(slots=[ONE])
    assert not visible_actions(acting("bo")).filter(pk=review.action_id).exists()
    give()
    assert visible_actions(acting("bo")).filter(pk=review.action_id).exists()


def test_leaving_it_to_others_is_for_oneself_alone(hold: Hold) -> None:
    review = hold(slots=[ONE])
    give()
    signoff(review.id, verdict="recuse", proof=BySession(), actor=acting("bo"))
    [decision] = Decision.objects.all()
    assert (decision.on_behalf_of, decision.groups) == (None, [])
    assert not waits(review, "bo")
    assert approve(review, "ada") == "approved"


def test_a_delegate_refuses_in_the_delegators_place(hold: Hold) -> None:
    review = hold(slots=[replace(ONE, blind=False)])
    give()
    signoff(review.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("bo"))
    review.action.refresh_from_db()
    assert review.action.outcome == {"code": "refused", "text": "No.", "by": "Bo for Ada"}


def test_the_groups_are_the_delegators_as_they_are_now(hold: Hold) -> None:
    finance, legal = hold(slots=[ONE]), hold(slots=[LAW])
    give()
    role("ada", "reviewer", groups=("legal",))
    assert (waits(finance, "bo"), waits(legal, "bo")) == (False, True)
    assert approve(legal, "bo") == "approved"


def test_votes_for_somebody_whose_account_was_closed_count_no_more(hold: Hold) -> None:
    review = hold(slots=[ONE, LAW])
    give()
    approve(review, "bo")
    assert not waits(review, "cy")
    deactivate_user(user("ada"), actor=DOOR)
    assert recount_reviews() == 1
    assert waits(review, "cy")


def test_the_queue_and_the_sheet_say_for_whom_one_signs(enter: Enter, hold: Hold) -> None:
    review = hold(slots=[TWO])
    give()
    bo = enter("bo")
    assert "for <bdi>Ada</bdi>" in bo.get("/reviews/").content.decode()
    assert "You sign for <bdi>Ada</bdi>," in bo.get(f"/reviews/{review.id}/").content.decode()
    assert "for <bdi>Ada</bdi>" not in enter("ada").get("/reviews/").content.decode()
    assert bo.post(f"/reviews/{review.id}/decision", {"verdict": "approve", "password": PASSWORD}).status_code == 302
    assert "Bo has decided this in your place." in enter("ada").get(f"/reviews/{review.id}/").content.decode()
    approve(review, "cy")
    assert "<bdi>Bo for Ada</bdi>" in enter("cy").get(f"/reviews/{review.id}/").content.decode()


def test_the_sheet_says_when_the_delegator_has_a_vote(enter: Enter, hold: Hold) -> None:
    review = hold(slots=[TWO])
    give()
    approve(review, "ada")
    assert "Ada has a vote in this" in enter("bo").get(f"/reviews/{review.id}/").content.decode()


def count_queries(browser: Any, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_the_queue_asks_as_much_for_thirty_as_for_one(enter: Enter, hold: Hold) -> None:
    bo = enter("bo")
    give("ada")
    give("cy")
    hold(slots=[ONE])
    one = count_queries(bo, "/reviews/")
    assert one <= 12
    for _ in range(29):
        hold(slots=[ONE])
    assert count_queries(bo, "/reviews/") == one


def test_whoever_stands_in_for_nobody_is_asked_about_once(enter: Enter, hold: Hold) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert standins_of(acting("cy")) == []
    assert sum("approvals_delegation" in one["sql"] for one in captured) == 1


NAMES = st.sampled_from(["ada", "bo", "cy", "dora"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(NAMES, st.lists(st.sampled_from(["finance", "legal"]), unique=True), max_size=4),
    st.dictionaries(NAMES, NAMES, max_size=4), st.lists(NAMES, min_size=1, max_size=6), NAMES,
)  # fmt: skip
def test_whatever_is_given_nobody_counts_for_their_own_request_and_nobody_twice(
    hold: Hold, groups: dict[str, list[str]], given: dict[str, str], turns: list[str], maker: str
) -> None:
    """Against the database, with all that is asked there."""
    before = transaction.savepoint()
    for name, theirs in groups.items():
        role(name, "reviewer", groups=tuple(theirs))
    for who, to in given.items():
        if who != to:
            give(who, to)
    review = hold(slots=[replace(TWO, ways=(Way("finance", 3),)), LAW], maker=maker)
    for who in turns:
        offered = waits(review, who)
        try:
            approve(review, who)
        except Refusal:
            assert not offered, (who, "is shown what they cannot sign")
        else:
            assert offered
    votes = list(Decision.objects.filter(review=review))
    behind = [person for vote in votes for person in vote.people]
    assert user(maker).pk not in behind
    assert len(behind) == len(set(behind))
    transaction.savepoint_rollback(before)
