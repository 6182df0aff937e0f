"""Drills: they look like any other review to one person, nobody else sees them, and nothing can come of them."""

import datetime as dt
import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from approvals.access import visible_reviews
from approvals.care import drills
from approvals.care.drills import begin_drill, decide_drill, end_drills, give_drills, open_drills
from approvals.care.habits import Share
from approvals.care.reviewers import own_habits
from approvals.care.settings import set_care
from approvals.models import Action, Decision, Drill, Permit, Review, VoteMeasure
from approvals.signoff import ByPasskey, ByPassword, BySession, signoff
from approvals.still import for_person
from audit.models import Record
from audit.move import move
from audit.vocabulary import Kind
from console.accounts.models import Team, User
from console.core.clock import now
from console.core.errors import Conflict, Forbidden
from console.notices.above import Waiting
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.pages.conftest import DOOR, PASSWORD, Enter, Hold, add_reviewer

MONEY: dict[str, Any] = {"amount_minor": 48_000, "currency": "eur", "counterparty": "cus_8Z41", "says": "Fine.",
                         "evidence": [{"title": "Invoice", "value": {"total": 48_000}}]}  # fmt: skip
Give = Callable[..., Drill]


@pytest.fixture
def do(hold: Hold, ana: Client) -> Callable[[], Action]:
    """Something that Ana approves, and that is done."""

    def doing() -> Action:
        review = hold("Refund €480.00 to cus_8Z41", **MONEY)
        signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting("ana"))
        action = Action.objects.get(pk=review.action_id)
        move(action, "executing", actor=DOOR)
        move(action, "succeeded", actor=DOOR, settled_at=now())
        return action

    return doing


@pytest.fixture
def done(do: Callable[[], Action]) -> Action:
    return do()


@pytest.fixture
def give(done: Action, monkeypatch: pytest.MonkeyPatch) -> Give:
    def given(planted: str = "", who: str = "ana", *, training: bool = False) -> Drill:
        for seed in range(200):
            monkeypatch.setattr(drills, "CHANCE", random.Random(seed))
            with transaction.atomic():
                drill = begin_drill(acting(who), training=training)
                if drill and drill.planted == planted:
                    return drill
                transaction.set_rollback(True)
        raise AssertionError(planted)

    return given


def sheet(browser: Client, identity: str) -> str:
    """Without what is another each time: names of rows and bars, digests, tokens."""
    piece = browser.get(f"/reviews/{identity}/", headers={"HX-Request": "true", "HX-Target": "main"})
    assert piece.status_code == 200
    text = re.sub(r'(rev|act)_[0-9a-z]{26}|ask-[0-9]+|[a-z]+(-[a-z]+){3}-[0-9a-f]{4}|token" value="[^"]+"', "-",
                  piece.content.decode())  # fmt: skip
    return re.sub(r'datetime="[^"]+"|title="20[^"]+"|policy v[0-9]+ · ', "-", text)


def test_its_page_is_that_of_any_other_review(give: Give, hold: Hold, ana: Client) -> None:
    real = hold("Refund €480.00 to cus_8Z41", **MONEY)
    drill = give()
    assert sheet(ana, drill.pk) == sheet(ana, real.id)


def test_the_queue_counts_and_lists_it_as_any_other(give: Give, hold: Hold, ana: Client) -> None:
    hold("Refund €1.00 to Kim")
    drill = give()
    page = ana.get("/reviews/").content.decode()
    assert (page.count('class="item"'), f"item-{drill.pk}" in page, "2 open" in page) == (2, True, True)
    assert page.count("<bdi>Jonas Lindqvist</bdi> waits") == 2
    assert '<span class="n">2<span class="unseen"> waiting' in page


def test_whoever_says_that_they_are_on_it_sees_what_they_would_see_of_any_other(
    give: Give, hold: Hold, ana: Client
) -> None:
    real = hold("Refund €480.00 to cus_8Z41", **MONEY)
    drill = give()
    for act, said in (("claim", "You are on it"), ("claim", "You are on it"), ("claim/release", "I am on it")):
        one, other = (together(ana, identity, act) for identity in (drill.pk, real.id))
        assert one == other
        assert said in one
        assert sheet(ana, drill.pk) == sheet(ana, real.id)
        assert ana.get("/reviews/").content.decode().count(" looks at it</span>") == (2 if act == "claim" else 0)
    told = Record.objects.of(drill.pk).filter(kind__startswith="approvals:claim:").order_by("at")
    assert [one.kind for one in told] == [Kind.CLAIM_MADE, Kind.CLAIM_RELEASED]


def together(browser: Client, identity: str, act: str) -> str:
    piece = browser.post(f"/reviews/{identity}/{act}", headers={"HX-Request": "true"}).content.decode()
    return re.sub(r'rev_[0-9a-z]{26}|token" value="[^"]+"|datetime="[^"]+"|title="20[^"]+"', "-", piece)


@pytest.mark.parametrize(("act", "given"), [("comments", {"text": "Is this right?"}), ("suggestion", {"person": "x"})])
def test_whoever_brings_others_in_is_told_before_these_lose_time_with_it(
    give: Give, ana: Client, act: str, given: dict[str, str]
) -> None:
    drill = give("amount")
    answer = ana.post(f"/reviews/{drill.pk}/{act}", given, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == f"/reviews/drills/{drill.pk}/"
    assert "you left it to others" in ana.get(answer["HX-Redirect"]).content.decode()
    told = Record.objects.of(drill.pk).get(kind="approvals:drill:left")
    assert json.loads(bytes(told.leaf))["detail"] == {"decision": "asked", "planted": "amount"}


def test_the_api_lists_it_in_the_same_shape(give: Give, hold: Hold, ana: Client) -> None:
    real = hold("Refund €480.00 to cus_8Z41", **MONEY)
    drill = give()
    listed = ana.get("/api/v1/reviews?state=open").json()["items"]
    assert [one["id"] for one in listed] == [drill.pk, real.id]
    assert listed[0].keys() == listed[1].keys()
    one, other = (ana.get(f"/api/v1/reviews/{identity}").json() for identity in (drill.pk, real.id))
    differs = {name for name in other if one[name] != other[name]}
    assert (one.keys(), differs) == (
        other.keys(), {"id", "action", "opened_at", "expires_at", "action_digest", "request_digest"})  # fmt: skip
    first = ana.get("/api/v1/reviews?state=open&limit=1").json()
    second = ana.get("/api/v1/reviews", {"state": "open", "limit": 1, "after": first["next"]}).json()
    assert [first["items"][0]["id"], second["items"][0]["id"], second["next"]] == [drill.pk, real.id, None]


def test_nobody_else_sees_it_and_nobody_is_told(give: Give, enter: Enter, office: Team) -> None:
    add_reviewer(office, "bea")
    drill = give()
    for who in ("bea", "mira", "theo", "jonas"):
        browser = enter(who)
        assert browser.get(f"/reviews/{drill.pk}/").status_code == 404
        assert drill.pk not in browser.get("/reviews/?state=open").content.decode()
        assert drill.pk not in browser.get("/api/v1/reviews").content.decode()
    assert not visible_reviews(acting("theo")).filter(pk=drill.pk).exists()
    assert for_person(acting("ana"), [drill.pk]) == Waiting(frozenset(), 0)
    assert not Action.objects.filter(pk=drill.shown["action"]).exists()


def test_no_permit_can_be_of_it(give: Give, office: Team) -> None:
    drill = give()
    permit = Permit(action_id=drill.shown["action"], action_digest=b"", request_digest=b"", expires_at=now())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError, match="is not present in table"), transaction.atomic():
        permit.save(force_insert=True)


def test_what_was_planted_is_told_at_once_and_counts(give: Give, ana: Client, office: Team) -> None:
    drill = give("amount")
    fields = {"verdict": "refuse", "reason": "Ten times too much."}
    answer = ana.post(f"/reviews/{drill.pk}/decision", fields)
    assert (answer.status_code, answer["Location"]) == (302, f"/reviews/drills/{drill.pk}/")
    page = ana.get(answer["Location"]).content.decode()
    assert "you were right" in page
    assert "€4,800.00, not €480.00" in page
    told = Record.objects.of(drill.pk).get(kind="approvals:drill:right")
    assert json.loads(bytes(told.leaf))["detail"] == {"decision": "refuse", "planted": "amount"}
    assert ana.get(f"/reviews/{drill.pk}/").status_code == 404
    assert own_habits(office.pk, acting("ana").id).drills == Share(1, 1)
    assert (Decision.objects.count(), VoteMeasure.objects.count()) == (1, 1)  # that of what was really done


def test_whoever_misses_it_has_some_more_that_say_what_they_are(
    give: Give, ana: Client, do: Callable[[], Action], office: Team
) -> None:
    drill = give("amount")
    for _ in range(4):
        do()
    answer = ana.post(f"/reviews/{drill.pk}/decision", {"verdict": "approve", "password": PASSWORD}, follow=True)
    page = answer.content.decode()
    assert ["you were wrong" in page, "3 more wait for you as training" in page] == [True, True]
    assert own_habits(office.pk, acting("ana").id).drills == Share(0, 1)
    training = list(open_drills(acting("ana")))
    assert [one.training for one in training] == [True] * 3
    assert all("training: nothing can come of it" in sheet(ana, one.pk) for one in training)
    assert len({one.like_id for one in (drill, *training)}) == 4
    ana.post(f"/reviews/{training[0].pk}/decision", {"verdict": "refuse", "reason": "x"})
    ana.post(f"/reviews/{training[1].pk}/decision", {"verdict": "approve", "password": PASSWORD})
    assert (open_drills(acting("ana")).count(), own_habits(office.pk, acting("ana").id).drills) == (1, Share(0, 1))


def test_a_passkey_signs_it_as_it_would_anything(give: Give, ana: Client) -> None:
    key, actor = SoftAuthenticator(), acting("ana")
    key.register(User.objects.get(username="ana"), actor)
    drill = open_drills(actor).get(pk=give().pk)
    prepared = ana.post(f"/reviews/{drill.pk}/challenge", {"verdict": "approve"}).json()
    proof = ByPasskey(str(prepared["prepared"]), key.sign_options(prepared["options"]))
    assert decide_drill(drill, verdict="approve", reason="", proof=proof, actor=actor).state == "right"
    with pytest.raises(Conflict):
        decide_drill(drill, verdict="approve", reason="", proof=proof, actor=actor)


def test_a_session_alone_approves_no_drill_either(give: Give, ana: Client) -> None:
    drill = open_drills(acting("ana")).get(pk=give().pk)
    with pytest.raises(Forbidden, match="passkey"):
        decide_drill(drill, verdict="approve", reason="", proof=BySession(), actor=acting("ana"))
    assert Drill.objects.get().state == "open"


def test_it_comes_beside_real_work_after_some_decisions_and_one_at_a_time(done: Action, hold: Hold) -> None:
    assert give_drills() == 0
    set_care(samples=0, most_an_hour=0, drill_every=5, actor=acting("mira"))
    hold()
    assert give_drills() == 0  # one decision is too few
    for _ in range(7):
        signoff(hold().id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana"))
    Review.objects.filter(state="open").update(expires_at=now() + dt.timedelta(hours=1))
    assert (give_drills(), give_drills()) == (1, 0)
    drill = Drill.objects.get()
    assert (drill.reviewer.username, drill.like_id) == ("ana", done.pk)


def test_without_real_work_there_is_none(done: Action, hold: Hold) -> None:
    set_care(samples=0, most_an_hour=0, drill_every=5, actor=acting("mira"))
    for _ in range(7):
        signoff(hold().id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana"))
    assert give_drills() == 0


def test_nobody_gets_what_they_made_themselves_or_what_asks_for_statements(hold: Hold, done: Action) -> None:
    Action.objects.filter(pk=done.pk).update(makers=[acting("ana").id])
    assert begin_drill(acting("ana")) is None


def test_what_nobody_decides_lapses_and_counts_for_nothing(give: Give, office: Team) -> None:
    drill = give()
    Drill.objects.update(expires_at=now())
    assert (end_drills(), Drill.objects.get(pk=drill.pk).state) == (1, "lapsed")
    assert own_habits(office.pk, acting("ana").id).drills == Share(0, 0)
