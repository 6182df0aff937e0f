"""Looking again at what was allowed: what is drawn, who judges, and what a judgement against it leads to."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals.care.aftersheet import proposed_policy
from approvals.care.afterwards import judge, owed_by
from approvals.care.asking_afterwards import groups_without, sample_settled
from approvals.care.settings import set_care
from approvals.models import Action, CareSetting, PolicyVersion, PostReview, Ruling
from approvals.policies.document import parse
from audit.models import Disclosure, Record
from audit.move import begin, move
from console.accounts.models import Team
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from examples.demo.people import acting
from integrations.models import Grant, Operation
from tests.pages.conftest import DOOR, Enter, add_reviewer

Done = Callable[..., Action]
SOON = dt.timedelta(days=1, seconds=1)


@pytest.fixture
def done(office: Team) -> Done:
    """Something that was done because a rule allowed it."""
    current = PolicyVersion.objects.get()
    asks = "then: review\n    review: {slots: [{group: finance}], signature: password, expires_minutes: 240}"
    source = current.source.replace("id: small-money", "id: little").replace(asks, "then: allow")
    version = PolicyVersion.objects.create(
        policy=current.policy, number=2, source=source, document=parse(source), digest=bytes(32), attestation=bytes(64)
    )

    def made(operation: str = "create_refund", outcome: str = "allow", rule: str = "little", **fields: Any) -> Action:
        given = {"amount_minor": 4_200, "currency": "eur", "sentence": "Refund €42.00", "action_digest": bytes(32),
                 "makers": [acting("jonas").id]}  # fmt: skip
        action = Action(team=office, operation=Operation.objects.select_related("integration").get(slug=operation),
                        grant=Grant.objects.get(grantee="workflow:billing-care"), arguments={"amount": 4_200},
                        grantee="workflow:billing-care", attestation=bytes(64), **given | fields)  # fmt: skip
        begin(action, actor=DOOR)
        move(action, "executing", actor=DOOR)
        move(action, "succeeded", actor=DOOR, settled_at=now())
        Ruling.objects.create(action=action, version=version, rule=rule, outcome=outcome)
        return action

    return made


def draw_all() -> list[PostReview]:
    """A day later."""
    CareSetting.objects.update(sampled_until=now() - SOON)
    sample_settled()
    return list(PostReview.objects.order_by("opened_at"))


def test_without_a_setting_nothing_is_drawn_and_with_one_so_many_a_day(done: Done) -> None:
    for _ in range(4):
        done()
    assert sample_settled() == 0
    set_care(samples=2, most_an_hour=0, drill_every=0, actor=acting("mira"))
    assert sample_settled() == 0  # from now on, and not of what was before
    assert len(draw_all()) == 2
    sample_settled()
    assert PostReview.objects.count() == 2
    told = Record.objects.get(kind="approvals:care:set")
    assert json.loads(bytes(told.leaf))["detail"] == {"samples": 2, "most_an_hour": 0, "drill_every": 0}


def test_only_what_nobody_was_asked_about_and_what_changed_something_is_drawn(done: Done) -> None:
    set_care(samples=50, most_an_hour=0, drill_every=0, actor=acting("mira"))
    allowed = done()
    done(outcome="review")
    done(operation="get_charge", rule="reads")
    assert [one.action for one in draw_all()] == [allowed]


def test_whoever_would_have_been_asked_judges_and_nobody_who_had_a_part(done: Done, office: Team) -> None:
    set_care(samples=1, most_an_hour=0, drill_every=0, actor=acting("mira"))
    add_reviewer(office, "bea")
    done(makers=[acting("bea").id])
    [asked] = draw_all()
    assert (asked.groups, asked.not_by, asked.cause) == (["finance"], [acting("bea").id], "sample")
    assert [owed_by(acting(who)).count() for who in ("ana", "bea", "sam", "mira", "theo")] == [1, 0, 0, 0, 0]
    with pytest.raises(Forbidden, match="You had a part in it"):
        judge(asked.pk, agrees=True, why="", actor=acting("bea"))
    with pytest.raises(Forbidden, match="another group"):
        judge(asked.pk, agrees=True, why="", actor=acting("theo"))
    with pytest.raises(Invalid, match="Say why not"):
        judge(asked.pk, agrees=False, why=" ", actor=acting("ana"))
    assert judge(asked.pk, agrees=True, why="", actor=acting("ana")).state == "agreed"
    with pytest.raises(Conflict):
        judge(asked.pk, agrees=True, why="", actor=acting("ana"))


def test_who_would_have_been_asked_is_told_by_the_policy_without_the_rule(done: Done) -> None:
    assert groups_without(done()) == {"finance"}
    assert groups_without(done(rule="gone")) == {"admins"}  # the rule that allowed it still would


def test_a_judgement_against_it_proposes_that_the_rule_asks_and_is_recorded(done: Done, enter: Enter) -> None:
    set_care(samples=1, most_an_hour=0, drill_every=0, actor=acting("mira"))
    done()
    [asked] = draw_all()
    ana, mira = enter("ana"), enter("mira")
    assert "1 to look at afterwards" in ana.get("/reviews/").content.decode()
    page = f"/reviews/afterwards/{asked.pk}/"
    assert "I would not have" in ana.get(page).content.decode()
    assert ana.post(page, {"judgement": "disagree", "why": "Nobody knows them."}).status_code == 302
    assert "to look at afterwards" not in ana.get("/reviews/").content.decode()
    told = Record.objects.get(kind="approvals:post_review:disagreed")
    assert json.loads(bytes(told.leaf))["detail"] == {"of": asked.action_id, "cause": "sample"}
    said = {one.path: one.value for one in Disclosure.objects.filter(record_id=told.pk)}
    assert said["reason"] == "Nobody knows them."

    asked.refresh_from_db()
    drafted = parse(proposed_policy(asked))
    assert [(rule["id"], rule["then"]) for rule in drafted["rules"]][:2] == [("reads", "allow"), ("little", "review")]
    assert f"?afterwards={asked.pk}" in mira.get(page).content.decode()
    assert f"?afterwards={asked.pk}" not in ana.get(page).content.decode()
    form = mira.get(f"/policies/change/?afterwards={asked.pk}").content.decode()
    assert "&quot;then&quot;: &quot;review&quot;" in form


def test_nothing_is_judged_without_saying_how(done: Done, enter: Enter) -> None:
    set_care(samples=1, most_an_hour=0, drill_every=0, actor=acting("mira"))
    done()
    [asked] = draw_all()
    answer = enter("ana").post(f"/reviews/afterwards/{asked.pk}/", {"why": "x"})
    assert (answer.status_code, PostReview.objects.get().state) == (422, "open")


def test_how_many_are_drawn_is_for_admins_to_set(office: Team, enter: Enter) -> None:
    mira, said = enter("mira"), ("7", "x", "201", "")
    answers = [mira.post("/reviews/care", {"samples": one, "most_an_hour": "0", "drill_every": "0"}) for one in said]
    assert [answer.status_code for answer in answers] == [302, 422, 422, 422]
    assert CareSetting.objects.get().samples == 7
    assert 'value="7"' in mira.get("/reviews/how-we-review/").content.decode()
    assert "7 a day of what was allowed" in enter("theo").get("/reviews/how-we-review/").content.decode()
    assert (
        enter("ana").post("/reviews/care", {"samples": "0", "most_an_hour": "0", "drill_every": "0"}).status_code == 403
    )


def test_other_teams_find_nothing(done: Done, stranger: Any) -> None:
    set_care(samples=1, most_an_hour=0, drill_every=0, actor=acting("mira"))
    done()
    [asked] = draw_all()
    assert stranger.get(f"/reviews/afterwards/{asked.pk}/").status_code == 404
    assert "Nothing was looked at yet" in stranger.get("/reviews/afterwards/").content.decode()


def test_one_action_is_looked_at_once_and_nobody_is_made_up_who_judged(done: Done) -> None:
    set_care(samples=1, most_an_hour=0, drill_every=0, actor=acting("mira"))
    done()
    [asked] = draw_all()
    with pytest.raises(IntegrityError), transaction.atomic():
        PostReview.objects.filter(pk=asked.pk).update(state="agreed", closed_at=now())


def test_more_rows_cost_no_more_queries(done: Done, enter: Enter) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert theo.get("/reviews/afterwards/").status_code == 200
        return len(captured)

    theo = enter("theo")
    set_care(samples=50, most_an_hour=0, drill_every=0, actor=acting("mira"))
    done()
    draw_all()
    few = count()
    for _ in range(4):
        done()
    draw_all()
    assert count() == few
