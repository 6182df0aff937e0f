"""Several people decide one review: in which slot, when it ends, and that nobody learns of a vote too early."""

import base64
import datetime as dt
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from approvals.access import waiting_for
from approvals.ask import escalate
from approvals.models import Decision, Review, SlotGroup
from approvals.policies.slots import SlotSpec, Way
from approvals.queries import votes_of
from approvals.seats import seats_of
from approvals.signoff import ByPasskey, ByPassword, BySession, prepare_decision, signoff
from approvals.sweep import recount_reviews
from audit.models import Record
from console.accounts.models import Team, User
from console.accounts.people import create_user, deactivate_user, set_membership
from console.core.errors import Conflict, Forbidden, Invalid
from console.core.text import exact
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.pages.conftest import DOOR, PASSWORD, Enter, Hold

pytestmark = pytest.mark.usefixtures("staff")
TWO = SlotSpec((Way("finance", 2),), signature="password")
LAW = SlotSpec((Way("legal"),), signature="password", blind=False)
STAFF = {"bea": ["finance"], "cleo": ["finance"], "dora": ["finance", "legal"], "emil": ["legal"], "frida": ["board"]}


@pytest.fixture
def staff(office: Team) -> None:
    for name, groups in STAFF.items():
        user = create_user(name, name.capitalize(), actor=DOOR)
        user.set_password(PASSWORD)
        user.save(update_fields=["password", "password_attestation"])
        set_membership(user, office, roles=["reviewer"], groups=groups, actor=DOOR)


def approve(review: Review, who: str) -> str:
    return signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting(who)).state


def refuse(review: Review, who: str) -> str:
    return signoff(review.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting(who)).state


def test_two_of_a_group_approve_and_one_person_counts_once(hold: Hold) -> None:
    review = hold(slots=[TWO])
    assert approve(review, "bea") == "open"
    with pytest.raises(Conflict):
        approve(review, "bea")
    assert approve(review, "cleo") == "approved"
    with pytest.raises(Conflict, match="already approved"):
        approve(review, "dora")
    assert list(Decision.objects.values_list("reviewer__username", "groups").order_by("decided_at")) == [
        ("bea", ["finance"]), ("cleo", ["finance"])]  # fmt: skip


def test_a_signature_shows_name_time_and_meaning_as_they_were_signed(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[TWO])
    approve(review, "bea")
    approve(review, "cleo")
    User.objects.filter(username="bea").update(name="Beatrice Newname")
    page = enter("theo").get(f"/reviews/{review.id}/").content.decode()
    for decision, name in zip(Decision.objects.order_by("decided_at"), ("Bea", "Cleo"), strict=True):
        assert json.loads(bytes(decision.payload))["name"] == name
        assert f"<b><bdi>{name}</bdi></b> {exact(decision.decided_at)} " in page
    assert page.count("“I approve that exactly this is done.”") == 2
    assert "Beatrice" not in page


def test_every_slot_has_to_be_filled_each_by_people_of_its_own(hold: Hold) -> None:
    review = hold(slots=[TWO, LAW])
    assert approve(review, "dora") == "open"  # of both groups: she fills the first that wants her
    assert approve(review, "bea") == "open"
    assert not waiting_for(acting("cleo")).exists()  # finance is done
    with pytest.raises(Conflict, match="Enough people"):
        approve(review, "cleo")
    assert waiting_for(acting("emil")).exists()
    assert approve(review, "emil") == "approved"


def test_what_one_signs_does_not_tell_that_one_of_their_slots_is_filled(hold: Hold) -> None:
    review = hold(slots=[TWO, replace(LAW, blind=True)])
    SoftAuthenticator().register(User.objects.get(username="dora"), acting("dora"))
    before = to_be_signed(review, "dora")
    approve(review, "bea")
    approve(review, "cleo")  # finance is done
    after = to_be_signed(review, "dora")
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"nonce", "iat"}
    assert before["groups"] == ["finance", "legal"]
    assert approve(review, "dora") == "approved"


def test_what_was_prepared_before_ones_group_was_asked_is_not_signed_for_it(hold: Hold) -> None:
    """The door counts from when it was prepared, and would find too few."""
    slow = SlotSpec((Way("finance"), Way("board", 1, dt.timedelta(hours=1))))
    review, key = hold(slots=[slow, SlotSpec((Way("board"),))]), SoftAuthenticator()
    key.register(User.objects.get(username="frida"), acting("frida"))
    prepared = prepare_decision(review.id, verdict="approve", reason="", actor=acting("frida"))
    SlotGroup.objects.create(review=review, slot=review.slots.get(position=0), group="board")
    proof = ByPasskey(str(prepared["prepared"]), key.sign_options(prepared["options"]))
    with pytest.raises(Invalid, match="Open the review again"):
        signoff(review.id, verdict="approve", proof=proof, actor=acting("frida"))
    assert not review.decisions.exists()


def to_be_signed(review: Review, who: str) -> dict[str, Any]:
    prepared = str(prepare_decision(review.id, verdict="approve", reason="", actor=acting(who))["prepared"])
    return json.loads(base64.urlsafe_b64decode(prepared.split(":")[0]))  # type: ignore[no-any-return]


def test_votes_of_whoever_is_gone_count_no_more(hold: Hold) -> None:
    review, other = hold(slots=[TWO, LAW]), hold(slots=[TWO])
    approve(review, "bea")
    approve(other, "bea")
    approve(review, "dora")  # finance is done
    deactivate_user(User.objects.get(username="bea"), actor=DOOR)
    assert not waiting_for(acting("cleo")).filter(pk=review.pk).exists()  # until somebody has counted anew
    assert recount_reviews() == 1
    assert waiting_for(acting("cleo")).filter(pk=review.pk).exists()
    assert approve(review, "emil") == "open"
    assert approve(review, "cleo") == "approved"
    assert approve(other, "cleo") == "open"  # one of two, as bea is nobody any more
    assert approve(other, "dora") == "approved"


def test_a_refusal_ends_an_open_slot_at_once_and_a_blind_one_when_all_have_voted(hold: Hold) -> None:
    seen, blind, both = hold(slots=[LAW]), hold(slots=[TWO]), hold(slots=[TWO, LAW])
    assert refuse(seen, "emil") == "refused"
    assert (refuse(blind, "bea"), approve(blind, "cleo")) == ("open", "refused")
    assert blind.action.__class__.objects.get(pk=blind.action_id).outcome == {
        "code": "refused", "text": "No.", "by": "Bea"}  # fmt: skip
    assert refuse(both, "emil") == "open"  # ending it would tell those of finance
    assert (approve(both, "bea"), approve(both, "cleo")) == ("open", "refused")


@pytest.mark.parametrize("verdict", [approve, refuse])
def test_whoever_is_still_asked_finds_no_trace_of_a_vote(
    verdict: Any, hold: Hold, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("approvals.settle.changed", lambda *topics: told.append(topics))
    review = hold(slots=[TWO], trace_id="0" * 32, wait_span_id="1" * 16)
    told.clear()
    before = everything_shown(enter("cleo"), review)
    verdict(review, "bea")
    assert everything_shown(enter("cleo"), review) == before
    assert told == []
    verdict(review, "cleo")
    assert told != []
    assert "Bea" in enter("cleo").get(f"/reviews/{review.id}/").content.decode()


def everything_shown(browser: Client, review: Review) -> list[str]:
    pages = ["/reviews/", "/reviews/?state=open", "/reviews/?state=closed", f"/reviews/{review.id}/", "/"]
    return [without_what_passes(browser.get(page)) for page in pages]


def without_what_passes(answer: Any) -> str:
    """The page without what is another each time: its tokens, and the names of the bars that open."""
    lines = answer.content.decode().splitlines()
    return re.sub(r'name="ask-[0-9]+"', "", "\n".join(line for line in lines if "csrf" not in line.lower()))


def test_one_sees_ones_own_vote_alone_until_all_have_voted(hold: Hold) -> None:
    review = hold(slots=[TWO])
    approve(review, "bea")
    decisions = list(review.decisions.all())
    shown = {who: [one.reviewer.username for one in votes_of(acting(who), review, seats_of(review), decisions)]
             for who in ("bea", "cleo", "mira")}  # fmt: skip
    assert shown == {"bea": ["bea"], "cleo": [], "mira": []}


def test_others_are_asked_when_those_before_them_took_too_long(hold: Hold) -> None:
    hour = dt.timedelta(hours=1)
    slow = SlotSpec((Way("finance"), Way("board", 1, hour)), signature="password")
    review = hold(slots=[slow])
    assert review.escalates_at == review.opened_at + hour
    escalate(review.id, actor=DOOR)
    assert not waiting_for(acting("frida")).exists()
    Review.objects.filter(pk=review.pk).update(opened_at=review.opened_at - hour, escalates_at=review.opened_at)
    escalate(review.id, actor=DOOR)
    escalate(review.id, actor=DOOR)
    leaf = json.loads(bytes(Record.objects.get(kind="approvals:review:escalated").leaf))
    assert leaf["detail"] == {"of": review.action_id, "groups": ["board"]}
    review.refresh_from_db()
    assert review.escalates_at is None
    assert waiting_for(acting("bea")).exists()
    assert approve(review, "frida") == "approved"


def test_a_condition_says_who_of_them_may_sign(hold: Hold) -> None:
    large = SlotSpec((Way("finance"),), signature="password", where="amount < 1000 || 'legal' in signer_groups")
    for where in (large, SlotSpec((Way("finance"),), signature="password", where="nobody_knows > 1")):
        review = hold(slots=[where], amount_minor=5_000, currency="eur")
        with pytest.raises(Forbidden, match="somebody else of your groups"):
            approve(review, "bea")
    assert approve(hold(slots=[large], amount_minor=5_000, currency="eur"), "dora") == "approved"
    assert approve(hold(slots=[large], amount_minor=500, currency="eur"), "bea") == "approved"


def test_whoever_signed_earlier_in_a_run_may_be_kept_from_signing_again(hold: Hold) -> None:
    apart = SlotSpec((Way("finance"),), signature="password", separation=("earlier_signers",))
    first, second, other = (hold(slots=[apart], run=run, step=f"step {n}") for n, run in enumerate(["r", "r", "s"]))
    assert approve(first, "bea") == "approved"
    with pytest.raises(Forbidden, match="somebody else of your groups"):
        approve(second, "bea")
    assert (approve(second, "cleo"), approve(other, "bea")) == ("approved", "approved")


def test_a_group_left_after_the_page_was_opened_no_longer_counts(hold: Hold, office: Team) -> None:
    review = hold(slots=[TWO])
    set_membership(User.objects.get(username="bea"), office, roles=["reviewer"], groups=["legal"], actor=DOOR)
    with pytest.raises(Exception, match="not yours to see"):
        approve(review, "bea")


def test_whoever_leaves_it_to_others_is_asked_no_more_and_fills_no_place(hold: Hold, enter: Enter) -> None:
    review = hold(slots=[TWO])
    page = enter("bea").get(f"/reviews/{review.id}/").content.decode()
    assert "Not me <kbd>X</kbd>" in page
    answer = enter("bea").post(f"/reviews/{review.id}/decision", {"verdict": "recuse"})
    assert (answer.status_code, Review.objects.get(pk=review.pk).state) == (302, "open")
    assert not waiting_for(acting("bea")).exists()
    with pytest.raises(Conflict):
        approve(review, "bea")
    assert "You left this to others." in enter("bea").get(f"/reviews/{review.id}/").content.decode()
    assert (approve(review, "cleo"), approve(review, "dora")) == ("open", "approved")
    assert sorted(Decision.objects.values_list("verdict", "level")) == [
        ("approve", "password"), ("approve", "password"), ("recuse", "session")]  # fmt: skip


def test_who_may_not_decide_may_not_stand_aside_either(hold: Hold) -> None:
    with pytest.raises(Forbidden):
        signoff(hold(slots=[LAW], maker="ana").id, verdict="recuse", proof=BySession(), actor=acting("mira"))
    assert Decision.objects.count() == 0
