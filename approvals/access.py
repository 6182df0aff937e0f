"""Loading on behalf of an actor: other teams' rows do not exist, and neither do reviews that are not one's business."""

from collections.abc import Collection, Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.models import Review, Slot
from console.core.actor import Actor, Role
from console.core.compiled import Compiled
from console.core.errors import NotFound

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
    return _of_team(team).filter(Exists(Slot.objects.filter(review=OuterRef("pk"), group__in=groups)))


def waiting_for(actor: Actor) -> QuerySet[Review]:
    """Open reviews that this person could sign now: of a group of theirs, and not of their own making."""
    if not actor.has(Role.REVIEWER):
        return Review.objects.none()
    asked = Slot.objects.filter(review=OuterRef("pk"), group__in=actor.groups)
    own = Q(action__makers__contains=[actor.id]) | Q(decisions__reviewer=actor.id)
    return Review.objects.filter(Exists(asked), team=actor.team, state="open").exclude(own)


def access_review(actor: Actor, review_id: str) -> Review:
    related = ("action__operation__integration", "action__grant")
    return _found(visible_reviews(actor).select_related(*related).filter(pk=review_id))


def access_review_locked(actor: Actor, review_id: str) -> Review:
    """To decide it, with its action, in a transaction: the action is locked first, as everywhere."""
    if actor.has(*READING):
        return _found(_LOCKED_OF_TEAM(actor.team, review_id))
    asked = sorted(actor.groups) if actor.has(Role.REVIEWER) else []
    return _found(_LOCKED_OF_GROUPS(actor.team, asked, review_id) if asked else [])


def _locked(reviews: QuerySet[Review], review_id: str) -> QuerySet[Review]:
    chosen = reviews.filter(pk=review_id).order_by()
    return chosen.select_related("action").select_for_update(of=("action", "self"))


_LOCKED_OF_TEAM = Compiled(lambda team, review: _locked(_of_team(team), review))
_LOCKED_OF_GROUPS = Compiled(lambda team, groups, review: _locked(_of_groups(team, groups), review))


def _found(reviews: Iterable[Review]) -> Review:
    for review in reviews:
        return review
    raise NotFound("There is no such review, or it is not yours to see.")
