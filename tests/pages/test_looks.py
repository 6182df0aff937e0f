"""What a policy wants opened and stated before somebody approves."""

import datetime as dt
import json
from typing import Any

import pytest
from django.test import Client

from approvals.care.looks import TRIES, open_evidence, state_fact
from approvals.digests import read_payload
from approvals.models import Decision, Look, Review, VoteMeasure
from approvals.signoff import ByPasskey, ByPassword, BySession, prepare_decision, signoff
from audit.models import Record
from console.accounts.models import User
from console.core.clock import now
from console.core.errors import Conflict, Invalid, NotFound
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.pages.conftest import PASSWORD, Enter, Hold, add_reviewer

PIECES = [{"title": "Invoice", "value": {"number": "in_31"}}, {"title": "Mail", "value": "Please."}]
SEEN = {"evidence": ["Invoice"], "states": ["amount", "counterparty"]}


@pytest.fixture
def review(hold: Hold) -> Review:
    return hold(open_first=["Invoice"], states=["amount", "counterparty"], evidence=PIECES, says="Trust me.",
                amount_minor=48_000, currency="eur", counterparty="cus_8Z41")  # fmt: skip


def page(browser: Client, review: Review) -> str:
    return " ".join(browser.get(f"/reviews/{review.id}/").content.decode().split())


def do(browser: Client, review: Review, **fields: str) -> Any:
    return browser.post(f"/reviews/{review.id}/look", fields)


def look_at_all_of_it(review: Review, who: str) -> None:
    open_evidence(review.id, "Invoice", actor=acting(who))
    assert state_fact(review.id, "amount", "480.00 EUR", actor=acting(who))
    assert state_fact(review.id, "counterparty", "8Z41", actor=acting(who))


def approve(review: Review, who: str = "ana") -> str:
    return signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting(who)).state


def test_nobody_approves_before_and_whoever_does_has_signed_that_they_did(review: Review, ana: Client) -> None:
    with pytest.raises(Conflict, match="open “Invoice”; state the amount; state the counterparty"):
        approve(review)
    with pytest.raises(Conflict) as refused:
        prepare_decision(review.id, verdict="approve", reason="", actor=acting("ana"))
    assert refused.value.code == "not_looked"
    look_at_all_of_it(review, "ana")
    assert approve(review) == "approved"
    assert read_payload(bytes(Decision.objects.get().payload))["seen"] == SEEN


def test_a_password_is_not_even_tried_before(review: Review, ana: Client) -> None:
    with pytest.raises(Conflict):
        signoff(review.id, verdict="approve", proof=ByPassword("wrong"), actor=acting("ana"))
    assert not Record.objects.filter(kind__startswith="accounts:password:").exists()


def test_by_passkey_it_is_the_same(review: Review, ana: Client) -> None:
    key, actor = SoftAuthenticator(), acting("ana")
    key.register(User.objects.get(username="ana"), actor)
    look_at_all_of_it(review, "ana")
    prepared = prepare_decision(review.id, verdict="approve", reason="", actor=actor)
    proof = ByPasskey(str(prepared["prepared"]), key.sign_options(prepared["options"]))
    Look.objects.update(stated=["amount"])
    with pytest.raises(Conflict, match="Before you approve: state the counterparty"):
        signoff(review.id, verdict="approve", proof=proof, actor=actor)


def test_refusing_and_leaving_it_to_others_need_none_of_it(review: Review, hold: Hold, ana: Client) -> None:
    other = hold(states=["amount"])
    assert signoff(review.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana")).state == "refused"
    assert signoff(other.id, verdict="recuse", proof=BySession(), actor=acting("ana")).state == "open"
    assert ["seen" in read_payload(bytes(one.payload)) for one in Decision.objects.all()] == [False, False]


def test_what_one_has_opened_and_stated_counts_for_nobody_else(review: Review, office: Any, ana: Client) -> None:
    add_reviewer(office, "bea")
    look_at_all_of_it(review, "ana")
    with pytest.raises(Conflict, match="open “Invoice”"):
        prepare_decision(review.id, verdict="approve", reason="", actor=acting("bea"))


def test_the_page_holds_back_what_is_to_be_opened_and_what_the_agent_says(review: Review, ana: Client) -> None:
    first = page(ana, review)
    held_back = ("in_31", "Trust me.", "Hold to sign", "Approve with your password")
    assert ("Please." in first, [part in first for part in held_back]) == (True, [False] * 4)
    assert do(ana, review, evidence="Invoice").status_code == 302
    assert do(ana, review, fact="amount", said="EUR 480.00").status_code == 302
    second = page(ana, review)
    assert [part in second for part in ("in_31", "Trust me.", "Approve with your password")] == [True, False, False]
    assert do(ana, review, fact="counterparty", said="8Z41").status_code == 302
    third = page(ana, review)
    assert [part in third for part in ("in_31", "Trust me.", "Approve with your password")] == [True, True, True]


def test_who_only_reads_reads_all_of_it(review: Review, enter: Enter) -> None:
    assert [part in page(enter("theo"), review) for part in ("in_31", "Trust me.", "Before you approve")] == [
        True, True, False]  # fmt: skip


def test_a_wrong_statement_is_counted_and_never_corrected(review: Review, ana: Client) -> None:
    answer = do(ana, review, fact="amount", said="4800 EUR")
    assert answer.status_code == 422
    assert "That is not what was decoded." in answer.content.decode()
    look = Look.objects.get()
    assert (look.stated, look.missed, look.pause_until) == ([], 1, None)
    told = [json.loads(bytes(one.leaf)) for one in Record.objects.filter(kind="approvals:fact:misstated")]
    assert [(one["object"], one["detail"]) for one in told] == [(review.id, {"fact": "amount", "times": 1})]


def test_after_some_misses_there_is_a_pause_and_refusing_stays_possible(review: Review, ana: Client) -> None:
    for _ in range(TRIES):
        assert not state_fact(review.id, "counterparty", "0000", actor=acting("ana"))
    answer = do(ana, review, fact="counterparty", said="8Z41")
    assert (answer.status_code, "Take a pause" in answer.content.decode()) == (422, True)
    Look.objects.update(pause_until=now() - dt.timedelta(seconds=1))
    assert state_fact(review.id, "counterparty", "8Z41", actor=acting("ana"))
    assert (Look.objects.get().missed, signoff(review.id, verdict="refuse", reason="No.", proof=BySession(),
            actor=acting("ana")).state) == (TRIES, "refused")  # fmt: skip


def test_what_is_not_there_lets_nobody_approve(hold: Hold, ana: Client) -> None:
    review = hold(open_first=["Invoice"], states=["amount"])
    with pytest.raises(Invalid):
        open_evidence(review.id, "Invoice", actor=acting("ana"))
    assert not state_fact(review.id, "amount", "0.00 EUR", actor=acting("ana"))
    with pytest.raises(Conflict, match="“Invoice” has to be there, and is not; the amount has to be known, and is not"):
        approve(review)
    assert page(ana, review).count("so this cannot be approved") == 2


def test_only_what_is_asked_can_be_opened_or_stated_by_whoever_may_decide(review: Review, ana: Client) -> None:
    with pytest.raises(Invalid):
        open_evidence(review.id, "Mail", actor=acting("ana"))
    with pytest.raises(Invalid):
        state_fact(review.id, "sentence", "x", actor=acting("ana"))
    with pytest.raises(NotFound):
        open_evidence(review.id, "Invoice", actor=acting("sam"))
    assert not Look.objects.exists()


def test_a_question_of_doubt_asks_for_none_of_it(hold: Hold, ana: Client) -> None:
    review = hold(kind="doubt", states=["amount"])
    assert "Before you approve" not in page(ana, review)


def test_a_vote_is_measured_from_the_first_reading_and_by_what_there_was_to_read(review: Review, ana: Client) -> None:
    page(ana, review)
    look_at_all_of_it(review, "ana")
    state_fact(review.id, "amount", "1 EUR", actor=acting("ana"))
    fields = {"verdict": "approve", "password": PASSWORD, "unfolded": "words call nonsense"}
    assert ana.post(f"/reviews/{review.id}/decision", fields).status_code == 302
    measure = VoteMeasure.objects.get()
    assert measure.dwell_ms is not None
    assert 0 <= measure.dwell_ms < 60_000
    assert (measure.facts, measure.characters, measure.missed, measure.unfolded) == (4, 67, 1, ["call", "words"])


def test_a_vote_on_what_was_never_read_says_so(hold: Hold, ana: Client) -> None:
    approve(hold())
    assert VoteMeasure.objects.get().dwell_ms is None
