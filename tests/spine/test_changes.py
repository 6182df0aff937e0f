"""Counter-proposals: whoever is asked to sign changes the arguments, and somebody else signs what becomes of it."""

import pytest
from django.db import connection

from approvals.comments import add_comment
from approvals.models import Action, Decision, Review, Revision
from approvals.publish import publish_policy
from approvals.queries import read_sheet
from approvals.revise import MOST_CHANGES
from approvals.signoff import BySession, prepare_decision, signoff
from approvals.tasks import drive
from audit.models import Record
from console.accounts.models import Team, User
from console.accounts.people import create_user, set_membership
from console.core.errors import Conflict, Forbidden, Invalid, NotFound, Refusal
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.gateway.test_spending import granted
from tests.gateway.test_totals import ask
from tests.spine.attacker import owner
from tests.spine.conftest import DOOR, World

PEOPLE = ("signer-a", "signer-b", "signer-c")
REVIEW = "{id: rest, when: {}, then: review, review: {slots: [{group: finance, count: %d}]}}"
POLICY = "policy: p\nrules:\n  - " + REVIEW + "\n"
LETS = "  - {id: lets, when: {amount: {currency: eur, at_most: 4_000}}, then: allow}\n"
CAP = "  - {id: cap, when: {operation: [stripe.create_refund]}, then: modify, modify: {cap: {amount: 3_000}}}\n"


@pytest.fixture
def signers(world: World) -> World:
    for name in PEOPLE:
        user = create_user(name, name.capitalize(), actor=DOOR)
        set_membership(user, Team.objects.get(), roles=["reviewer"], groups=["finance"], actor=DOOR)
        world.keys[name] = SoftAuthenticator()
        world.keys[name].register(user, acting(name))
    publish_policy(POLICY % 1, actor=acting("mira"))
    return world


def changed(action: Action, who: str, **arguments: object) -> Review:
    """The review that asks about what it has become."""
    review = Review.objects.get(action=action, state="open")
    kept = {name: value for name, value in {**action.arguments, **arguments}.items() if value is not None}
    signoff(review.pk, verdict="change", reason="Less.", arguments=kept, proof=BySession(), actor=acting(who))
    drive(action.pk)
    action.refresh_from_db()
    return Review.objects.get(action=action, state="open")


def test_what_one_changes_another_signs(signers: World) -> None:
    world = signers
    action = ask(world, granted({}), "large", 4_200)
    before = Review.objects.get(action=action)
    review = changed(action, PEOPLE[0], amount=3_100)
    before.refresh_from_db()
    assert (before.state, review.state, action.state, action.revision) == ("superseded", "open", "held", 2)
    assert (action.arguments["amount"], action.asked_for["amount"], action.amount_minor) == (3_100, 4_200, 3_100)
    assert action.barred[-1] == User.objects.get(username=PEOPLE[0]).pk
    with pytest.raises(Forbidden, match="You changed this"):
        world.sign(review, PEOPLE[0])
    with pytest.raises(Conflict, match="already superseded"):
        world.sign(before, PEOPLE[1])
    world.sign(review, PEOPLE[1])
    drive(action.pk)
    action.refresh_from_db()
    assert (action.state, [refund["amount"] for refund in world.refunds()]) == ("succeeded", [3_100])
    kinds = Record.objects.filter(subject__in=[action.pk, before.pk, review.pk]).order_by("at", "pk")
    assert [kind.removeprefix("approvals:") for kind in kinds.values_list("kind", flat=True)] == [
        "action:proposed", "action:held", "review:open", "review:superseded", "action:proposed", "action:held",
        "review:open", "review:approved", "action:permitted", "action:executing", "action:succeeded",
    ]  # fmt: skip


def test_no_vote_outlives_the_bytes_that_it_was_given_for(signers: World) -> None:
    world = signers
    publish_policy(POLICY % 2, actor=acting("mira"))
    action = ask(world, granted({}), "large", 4_200)
    world.sign(Review.objects.get(action=action), PEOPLE[1])
    review = changed(action, PEOPLE[0], amount=3_100)
    world.sign(review, PEOPLE[2])
    review.refresh_from_db()
    assert review.state == "open"
    said = [point.text for point in read_sheet(acting(PEOPLE[1]), review.pk).points]
    assert "You approved it as it was before that. Your vote does not count for what it is now." in said
    world.sign(review, PEOPLE[1])
    drive(action.pk)
    assert [refund["amount"] for refund in world.refunds()] == [3_100]


def test_nobody_learns_from_the_version_before_how_others_voted(signers: World) -> None:
    world = signers
    publish_policy(POLICY % 2, actor=acting("mira"))
    action = ask(world, granted({}), "large", 4_200)
    before = Review.objects.get(action=action)
    world.sign(before, PEOPLE[1])
    add_comment(before.pk, "I have seen the order.", actor=acting(PEOPLE[1]))
    review = changed(action, PEOPLE[0], amount=3_100)
    sheets = [read_sheet(acting(PEOPLE[2]), one.pk) for one in (before, review)]
    assert [vote for sheet in sheets for vote in sheet.votes] == []
    assert [comment for sheet in sheets if sheet.together for comment in sheet.together.comments] == []
    own = read_sheet(acting(PEOPLE[1]), before.pk).votes
    assert [vote.decision.reviewer.username for vote in own] == [PEOPLE[1]]
    for who in PEOPLE[1:]:
        world.sign(review, who)
    told = read_sheet(acting(PEOPLE[2]), before.pk).votes
    assert [vote.decision.verdict for vote in told] == ["approve", "change"]


def test_what_people_change_is_signed_whatever_the_policy_allows(signers: World) -> None:
    """Or one person alone would make it small enough that nobody is asked."""
    world = signers
    publish_policy("policy: p\nrules:\n" + LETS + "  - " + REVIEW % 1 + "\n", actor=acting("mira"))
    action = ask(world, granted({}), "large", 4_200)
    review = changed(action, PEOPLE[0], amount=3_100)
    ruling = action.rulings.first()
    assert ruling
    assert (ruling.rule, ruling.outcome) == ("lets", "review")
    assert "Somebody who was asked changed it, so somebody else signs it." in ruling.reasons
    assert review.state == "open"


def test_the_policy_changes_what_people_changed(signers: World) -> None:
    world = signers
    publish_policy("policy: p\nrules:\n" + CAP + "  - " + REVIEW % 1 + "\n", actor=acting("mira"))
    action = ask(world, granted({}), "large", 2_000)
    review = changed(action, PEOPLE[0], amount=4_000)
    assert (action.arguments["amount"], action.asked_for["amount"]) == (3_000, 2_000)
    said = [point.text for point in read_sheet(acting(PEOPLE[1]), review.pk).points]
    assert "Signer-a changes amount from 2000 to 4000, and says: Less." in said
    assert "The policy changes amount from 4000 to 3000." in said
    world.sign(review, PEOPLE[1])
    drive(action.pk)
    assert [refund["amount"] for refund in world.refunds()] == [3_000]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "nothing_changed"),
        ({"amount": -1}, "invalid_arguments"),
        ({"amount": "3100"}, "invalid_arguments"),
        ({"charge": None}, "invalid_arguments"),
        ({"nonsense": 1}, "invalid_arguments"),
        ({"amount": 9_000}, "invalid_arguments"),  # beyond the grant
        ({"amount": 10**16}, "invalid_arguments"),
    ],
)
def test_what_the_operation_or_the_grant_does_not_take_changes_nothing(
    arguments: dict[str, object], code: str, signers: World
) -> None:
    action = ask(signers, granted({"arguments": {"amount": {"at_most": 5_000}}}), "large", 4_200)
    with pytest.raises(Invalid) as refused:
        changed(action, PEOPLE[0], **arguments)
    assert refused.value.code == code
    assert (Revision.objects.count(), Decision.objects.count()) == (0, 0)
    assert Review.objects.get(action=action).state == "open"


def test_who_may_change_it_is_who_may_sign_it(signers: World) -> None:
    action = ask(signers, granted({}), "large", 4_200)
    review = Review.objects.get(action=action)
    wanted = {**action.arguments, "amount": 1}

    def refused(who: str, reason: str = "Less.") -> str:
        with pytest.raises(Refusal) as refusal:
            signoff(review.pk, verdict="change", reason=reason, arguments=wanted, proof=BySession(), actor=acting(who))
        return refusal.value.code

    assert [refused("mira"), refused("theo"), refused(PEOPLE[0], "")] == ["forbidden", "forbidden", "reason_needed"]
    with pytest.raises(Invalid):
        prepare_decision(review.pk, verdict="change", reason="Less.", actor=acting(PEOPLE[0]))
    with pytest.raises(NotFound):
        signoff("rev_other", verdict="change", reason="x", arguments=wanted, proof=BySession(), actor=acting(PEOPLE[0]))
    assert Action.objects.get(pk=action.pk).revision == 1


def test_it_is_not_changed_for_ever(signers: World) -> None:
    world = signers
    for number in range(MOST_CHANGES + 1):
        user = create_user(f"more-{number}", f"More {number}", actor=DOOR)
        set_membership(user, Team.objects.get(), roles=["reviewer"], groups=["finance"], actor=DOOR)
    action = ask(world, granted({}), "large", 4_200)
    for number in range(MOST_CHANGES):
        changed(action, f"more-{number}", amount=4_100 - number)
    with pytest.raises(Conflict, match=f"changed {MOST_CHANGES} times"):
        changed(action, f"more-{MOST_CHANGES}", amount=1)
    with pytest.raises(Forbidden, match="You changed this"):
        changed(action, "more-0", amount=1)


def test_the_door_believes_no_other_change_than_was_made(signers: World) -> None:
    """Whoever writes rows makes neither another change nor an editor who may sign."""
    world = signers
    action = ask(world, granted({}), "large", 4_200)
    review = changed(action, PEOPLE[0], amount=3_100)
    editors = list(action.editors)
    Action.objects.filter(pk=action.pk).update(editors=[])
    world.sign(review, PEOPLE[1])
    Action.objects.filter(pk=action.pk).update(editors=editors)
    drive(action.pk)
    action.refresh_from_db()
    assert (action.state, (action.outcome or {}).get("code")) == ("stale", "tampered")
    assert world.refunds() == []


def test_a_changed_row_of_a_change_sends_nothing(signers: World) -> None:
    world = signers
    action = ask(world, granted({}), "large", 4_200)
    review = changed(action, PEOPLE[0], amount=3_100)
    world.sign(review, PEOPLE[1])
    with owner(connection.settings_dict["NAME"]) as tables:
        tables.execute("ALTER TABLE approvals_revision DISABLE TRIGGER append_only")
        tables.execute(
            "UPDATE approvals_revision SET arguments = jsonb_set(arguments::jsonb, '{amount}', '4000')::json"
        )
        tables.execute("ALTER TABLE approvals_revision ENABLE TRIGGER append_only")
    drive(action.pk)
    action.refresh_from_db()
    assert (action.state, (action.outcome or {}).get("code")) == ("stale", "tampered")
    assert world.refunds() == []
