"""A vote and an intent are one statement each: all of it is done, or nothing, and the error says why."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals import execute as door
from approvals import settle as settling
from approvals import signoff as signing
from approvals.authority import load
from approvals.execute import begin_call, verify_authority
from approvals.models import Action, Decision, Permit, Review, VoteMeasure
from approvals.tasks import drive
from audit.models import Record
from audit.move import move, updating
from console.accounts.models import Passkey
from console.accounts.passkeys import check_assertion
from console.core.clock import now
from console.core.errors import Conflict
from console.core.statements import Statement
from integrations.models import Call
from tests.spine.conftest import DOOR, World


def begun() -> list[str]:
    return sorted(Call.objects.exclude(effect="read").values_list("state", flat=True))


def test_the_intent_of_what_was_signed_is_one_statement(held: World) -> None:
    action = held.sign(held.review(large=True)).action
    loaded = load(action.id)
    rendered = verify_authority(loaded)
    with CaptureQueriesContext(connection) as asked:
        begin_call(loaded, rendered, actor=DOOR)
    assert (len(asked), begun()) == (1, ["sending"])
    [permit] = Permit.objects.filter(action=action)
    assert permit.consumed_at is not None
    told = Record.objects.of(action.id).filter(kind="approvals:action:executing")
    assert told.count() == 1


def test_a_permit_that_has_lapsed_is_renewed_and_used_once(held: World) -> None:
    action = held.sign(held.review(large=True)).action
    Permit.objects.update(expires_at=now() - dt.timedelta(seconds=1))
    drive(action.id)
    [permit] = Permit.objects.filter(action=action)
    assert (Action.objects.get(pk=action.pk).state, permit.consumed_at is None) == ("succeeded", False)
    assert [refund["amount"] for refund in held.refunds()] == [48_000]


def test_of_two_doors_one_begins_and_the_other_is_told(held: World) -> None:
    """Both have read it while it was permitted."""
    action = held.sign(held.review(large=True)).action
    first, second = load(action.id), load(action.id)
    rendered = verify_authority(first)
    verify_authority(second)
    begin_call(first, rendered, actor=DOOR)
    with pytest.raises(Conflict, match="is no longer permitted"):
        begin_call(second, rendered, actor=DOOR)
    assert (begun(), Permit.objects.filter(action=action).count()) == (["sending"], 1)


def test_nothing_is_begun_where_the_permit_is_used_meanwhile(held: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever means: without one there is no call, and no move."""
    action = held.sign(held.review(large=True)).action
    loaded = load(action.id)
    rendered = verify_authority(loaded)
    monkeypatch.setattr(door, "consume_permit", lambda action: pytest.fail("it is asked for another one"))
    Permit.objects.update(consumed_at=now(), consumed_txid="1")
    with pytest.raises(BaseException, match="asked for another one"):
        begin_call(loaded, rendered, actor=DOOR)
    assert (begun(), Action.objects.get(pk=action.pk).state) == ([], "permitted")


def test_a_passkey_that_was_used_meanwhile_stores_nothing_of_the_vote(
    held: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = held.review(large=True)

    def and_then_it_is_used(*given: Any, **named: Any) -> Any:
        found = check_assertion(*given, **named)
        Passkey.objects.filter(pk=found[0].pk).update(sign_count=found[0].sign_count + 5)
        return found

    monkeypatch.setattr(signing, "check_assertion", and_then_it_is_used)
    with pytest.raises(Conflict, match=r"^The passkey was used or removed a moment ago. Sign once more.$"):
        held.sign(review)
    left = (Decision.objects.count(), VoteMeasure.objects.count(), Permit.objects.count())
    assert (Review.objects.get(pk=review.pk).state, left) == ("open", (0, 0, 0))
    monkeypatch.undo()
    Passkey.objects.update(sign_count=0)
    assert held.sign(review).state == "approved"


def test_the_counter_of_a_passkey_moves_with_its_vote(held: World) -> None:
    held.sign(held.review(large=True))
    [passkey] = Passkey.objects.all()
    assert (passkey.sign_count, passkey.last_used_at is None) == (1, False)


def test_a_further_change_that_finds_no_row_ends_all_of_it_and_is_named(held: World) -> None:
    review = held.review(large=True)
    other = Action.objects.exclude(pk=review.action_id).filter(state="held").get()
    gone = updating(other, {"put_off": 1})
    other.state = "succeeded"
    missed = updating(other, {"put_off": 2})
    before = Record.objects.count()
    with pytest.raises(Conflict, match=f"^The action {other.pk} is no longer succeeded.$"):
        move(review, "withdrawn", actor=DOOR, closed_at=now(), also=[gone, missed])
    assert (Review.objects.get(pk=review.pk).state, Record.objects.count()) == ("open", before)
    assert Action.objects.get(pk=other.pk).put_off == 0


def test_what_may_find_no_row_does_not_end_it(held: World) -> None:
    review = held.review(large=True)
    nothing = Statement("UPDATE approvals_permit SET expires_at = expires_at WHERE id = %s", ["none"])
    move(review, "withdrawn", actor=DOOR, closed_at=now(), also=[nothing])
    assert Review.objects.get(pk=review.pk).state == "withdrawn"


def test_who_waits_for_an_action_is_told_where_it_rests_and_not_on_its_way(
    held: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    action = held.review(large=True).action
    action.step = ""  # as an agent's
    monkeypatch.setattr(settling, "answered", lambda _: told.append(action.state))
    for state in ("proposed", "deferred", "held", "permitted", "executing", "in_doubt", "succeeded"):
        action.state = state
        settling.announce(action)
    assert told == ["deferred", "held", "in_doubt", "succeeded"]
