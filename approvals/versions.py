"""A review whose action was changed: what it tells, and which one asks about what the action is now."""

from collections.abc import Sequence

from approvals.access import visible_reviews
from approvals.concluded import DONE
from approvals.models import Decision, Review
from approvals.policies.slots import SlotSpec, keep_secrets
from approvals.sheet import Point
from console.core.actor import Actor

UNDECIDED = ("proposed", "deferred", "held")


def vote_before(actor: Actor, review: Review) -> list[Point]:
    """What became of the reader's own vote for an earlier version."""
    if review.state != "open" or not review.action.editors:
        return []
    own = Decision.objects.filter(review__action=review.action, review__state="superseded", reviewer=actor.id)
    latest = own.exclude(verdict="change").order_by("-decided_at").first()
    if latest is None:
        return []
    said = f"You {DONE[latest.verdict]} it as it was before that. Your vote does not count for what it is now."
    return [Point(said, "wait")]


def newer_than(actor: Actor, review: Review) -> str:
    """The review that asks about what it has become, if the reader may see it."""
    if review.state != "superseded":
        return ""
    later = visible_reviews(actor).filter(action=review.action, opened_at__gt=review.opened_at)
    return later.order_by("-opened_at").values_list("pk", flat=True).first() or ""


def is_asked_anew(review: Review) -> bool:
    """What it was about was changed, and others decide about what it has become: they are not told how it went."""
    return review.state == "superseded" and review.action.state in UNDECIDED


def has_secrets(review: Review, asks: Sequence[SlotSpec]) -> bool:
    """Whether there may be votes of which those who are asked must not learn."""
    return (review.state == "open" and keep_secrets(asks)) or is_asked_anew(review)
