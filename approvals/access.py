"""Loading on behalf of an actor: other teams' rows do not exist, and neither do reviews that are not one's business."""

from collections.abc import Collection

from django.contrib.postgres.fields import ArrayField
from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet, TextField

from approvals.halted import halted
from approvals.models import Action, Review, SlotGroup
from console.core.actor import Actor, Role
from console.core.compiled import Compiled
from console.core.errors import Forbidden, NotFound

# Columns of an action that signing it does not read.
UNSIGNED = ("arguments", "reads", "says", "attestation", "outcome", "created_at", "settled_at", "parent_span_id")
OTHER_GROUP = "This review asks another group."
READING = (Role.ADMIN, Role.AUDITOR, Role.OPERATOR)


def visible_reviews(actor: Actor) -> QuerySet[Review]:
    """Admins, auditors and operators read all of the team; a reviewer those that ask a group of theirs."""
    if actor.has(*READING):
        return _of_team(actor.team)
    if actor.has(Role.REVIEWER):
        return _of_groups(actor.team, actor.groups)
    return Review.objects.none()


def _of_team(team: str) -> QuerySet[Review]:
    return Review.objects.filter(team=team)


def _of_groups(team: str, groups: Collection[str]) -> QuerySet[Review]:
    return _of_team(team).filter(_asks(groups))


def _asks(groups: Collection[str]) -> Exists:
    return Exists(SlotGroup.objects.filter(review=OuterRef("pk"), group__in=groups))


def waiting_for(actor: Actor) -> QuerySet[Review]:
    """Open reviews that still ask a group of theirs, and are not of their own making."""
    if not actor.has(Role.REVIEWER):
        return Review.objects.none()
    asked = SlotGroup.objects.filter(review=OuterRef("pk"), group__in=actor.groups)
    itself = Func(F("slot_id"), template="ARRAY[%(expressions)s]", output_field=ArrayField(TextField()))
    asked = asked.exclude(review__filled__contains=itself)
    own = Q(action__makers__contains=[actor.id]) | Q(decisions__reviewer=actor.id)
    return Review.objects.filter(Exists(asked), team=actor.team, state="open").exclude(own)


def visible_actions(actor: Actor) -> QuerySet[Action]:
    """As reviews: who may read all of the team, and reviewers what their groups were asked about."""
    if actor.has(*READING):
        return Action.objects.filter(team=actor.team)
    asked = visible_reviews(actor).filter(action=OuterRef("pk"))
    return Action.objects.filter(Exists(asked), team=actor.team)


def access_review(actor: Actor, review_id: str) -> Review:
    related = ("action__operation__integration", "action__grant", "action__reverses__operation")
    review = (
        visible_reviews(actor).select_related(*related).annotate(halted=halted("action__")).filter(pk=review_id).first()
    )
    if review is None:
        raise NotFound("There is no such review, or it is not yours to see.")
    return review


def access_review_locked(actor: Actor, review_id: str) -> Review:
    """To vote on, in a transaction: with its action, which is locked first, as everywhere."""
    groups = sorted(actor.groups) if actor.has(Role.REVIEWER) else []
    for review in _LOCKED(actor.team, groups, review_id) if groups else ():
        return review
    access_review(actor, review_id)
    raise Forbidden(OTHER_GROUP, code="not_your_group")


_LOCKED = Compiled(
    lambda team, groups, review: (
        Review.objects.filter(_asks(groups), pk=review, team=team)
        .select_related("action")
        .annotate(halted=halted("action__"))
        .select_for_update(of=("action", "self"))
        .defer(*(f"action__{name}" for name in UNSIGNED))
    )
)
