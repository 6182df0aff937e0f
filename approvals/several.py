"""Which reviews may be decided together: those of one kind, of which none could do much harm."""

from collections.abc import Hashable, Sequence

from approvals.care.asks import asks_of
from approvals.described import verify_operation
from approvals.models import Review
from approvals.policies.decide import GATED
from approvals.seats import Seat
from console.core.errors import Conflict
from integrations.description import Description
from integrations.health import CONFIRMED
from integrations.models import Operation

MOST = 30  # in one list: as many as somebody reads


def kind_of(review: Review, seats: Sequence[Seat]) -> Hashable:
    """None where it is decided by itself. Two of one kind are the same operation, asked for by the same, ruled by the
    same policy with the same slots. Needs the operation and its integration; raises Tampered where that was altered."""
    action = review.action
    alone = (
        review.kind != "action"
        or review.state != "open"
        or action.editors
        or action.reverses_id
        or not is_light(action.operation)
        or any(fact.get("format") == "undecoded" for fact in action.facts)
        or asks_of(review)
    )
    if alone:
        return None
    slots = tuple(seat.asks for seat in seats)
    return (action.operation_id, action.grantee, bytes(review.policy_digest), slots)


def is_light(operation: Operation) -> bool:
    """By what was reviewed and signed of it, not by the columns beside that."""
    verify_operation(operation)
    described = Description(operation.slug, operation.description)
    return (
        described.effect == "write"
        and described.document.get("trust") in CONFIRMED
        and described.mode not in ("none", "unknown")
        and GATED.isdisjoint(described.document.get("categories", []))
    )


def check_light(review: Review, seats: Sequence[Seat]) -> None:
    if kind_of(review, seats) is None:
        raise Conflict("This one is decided by itself.", code="alone")
