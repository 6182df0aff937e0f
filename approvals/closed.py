"""That a review is over, told to somebody who wanted to decide it: how, when and by whom. Nothing of that is a secret
any more, as votes are shown to whoever may see a review that is closed."""

from approvals.models import Decision, Review
from console.core.clock import iso
from console.core.errors import Conflict

DECIDED = {"approved": "approve", "refused": "refuse"}


def already_decided(review: Review) -> Conflict:
    at = iso(review.closed_at) if review.closed_at else ""
    by = _deciders(review)
    whose = f" by {' and '.join(by)}" if by else ""
    return Conflict(
        f"This review is already {review.state}{f' at {at}' if at else ''}{whose}.", code="already_decided",
        detail={"state": review.state, "at": at, "by": by},
    )  # fmt: skip


def _deciders(review: Review) -> list[str]:
    verdict = DECIDED.get(review.state)
    if verdict is None:
        return []
    votes = Decision.objects.filter(review=review, verdict=verdict).select_related("reviewer", "on_behalf_of")
    return [one.by for one in votes.order_by("decided_at")]
