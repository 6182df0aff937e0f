"""Judging afterwards what was done without anybody, or in an emergency. Nothing is undone by it; a policy may become
stricter."""

from django.db import transaction
from django.db.models import Q, QuerySet

from approvals.models import PostReview
from approvals.models.post_review import OPENING
from audit.move import move
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound

READING = (Role.ADMIN, Role.AUDITOR, Role.OPERATOR)
MOST_WHY = 2_000


def visible_post_reviews(actor: Actor) -> QuerySet[PostReview]:
    """As reviews: who may read all of the team, and reviewers what their groups are asked about."""
    found = PostReview.objects.filter(team=actor.team).select_related("action__operation__integration", "reviewer")
    if actor.has(*READING):
        return found
    return found.filter(groups__overlap=sorted(actor.groups)) if actor.has(Role.REVIEWER) else found.none()


def owed_by(actor: Actor) -> QuerySet[PostReview]:
    """What they may judge and nobody has. Of openings an auditor may too: a small team has hardly anybody else who
    neither asked nor signed."""
    may = Q(groups__overlap=sorted(actor.groups)) if actor.has(Role.REVIEWER) else Q(pk__in=[])
    if actor.has(Role.AUDITOR):
        may |= Q(cause=OPENING)
    return visible_post_reviews(actor).filter(may, state="open").exclude(not_by__contains=[actor.id])


def access_post_review(actor: Actor, identity: str) -> PostReview:
    found = visible_post_reviews(actor).filter(pk=identity).first()
    if found is None:
        raise NotFound("There is no such question, or it is not yours to see.")
    return found


@transaction.atomic
def judge(identity: str, *, agrees: bool, why: str, actor: Actor) -> PostReview:
    """Raises Forbidden, Invalid where it is against it and says not why, Conflict where somebody was faster."""
    found, why = access_post_review(actor, identity), why.strip()
    check_may_judge(found, actor)
    if not agrees and not why:
        raise Invalid("Say why not. Whoever changes the policy reads it.", code="reason_needed")
    if len(why) > MOST_WHY:
        raise Invalid(f"Keep the reason under {MOST_WHY:,} characters.")
    move(found, "agreed" if agrees else "disagreed", actor=actor, detail={"of": found.action_id, "cause": found.cause},
         personal={"name": actor.name, **({"reason": why} if why else {})}, closed_at=now(), reviewer_id=actor.id,
         why=why)  # fmt: skip
    return found


def check_may_judge(found: PostReview, actor: Actor) -> None:
    """Asked before the form is shown, and again when it is sent."""
    if not actor.interactive:
        raise Forbidden("Only a person in a browser session judges.", code="not_interactive")
    if actor.id in found.not_by:
        raise Forbidden("You had a part in it, so somebody else has to look.", code="own_request")
    if found.state != "open":
        raise Conflict("Somebody has judged this already.", code="already_decided")
    if not owed_by(actor).filter(pk=found.pk).exists():
        raise Forbidden("This asks another group.", code="not_your_group")
