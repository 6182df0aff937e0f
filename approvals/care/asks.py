"""What a policy wants done before somebody approves: evidence opened, and facts stated in the reviewer's own words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery

from approvals.models import Action, Look, Review, Ruling
from approvals.policies.slots import Requirement
from console.core.errors import Conflict


@dataclass(frozen=True, slots=True)
class Asks:
    """`evidence` by its titles, `states` among `approvals.policies.slots.STATES`."""

    evidence: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.evidence or self.states)

    @property
    def document(self) -> dict[str, list[str]]:
        """As the signed payload has it."""
        return {"evidence": sorted(self.evidence), "states": sorted(self.states)}

    def are_met_by(self, payload: Mapping[str, Any]) -> bool:
        """Whether whoever signed it had done all of this."""
        seen = payload.get("seen", {})
        return all(set(names) <= set(seen.get(part, ())) for part, names in self.document.items())


NOTHING = Asks()


def asks(requirement: Requirement | None) -> Asks:
    return Asks(requirement.evidence, requirement.states) if requirement else NOTHING


def required() -> Subquery:
    """For a queryset of reviews: what the policy asked for when it was ruled on last."""
    rulings = Ruling.objects.filter(action=OuterRef("action")).order_by("-at", "-id")
    return Subquery(rulings.values("requirement")[:1])


def asks_of(review: Review) -> Asks:
    """Of a review that is annotated with `required`."""
    stored = review.required or {}  # type: ignore[attr-defined]  # annotated
    if review.kind != "action":
        return NOTHING
    return Asks(tuple(stored.get("evidence", ())), tuple(stored.get("states", ())))


def check_seen(review: Review, verdict: str, reviewer: str) -> Mapping[str, Any] | None:
    """What goes into the payload; None where nothing is asked. Raises Conflict, saying what is to be done first."""
    wanted = asks_of(review)
    if verdict != "approve" or not wanted:
        return None
    if missing := left_to_do(wanted, look_of(review, reviewer), review.action):
        raise Conflict(f"Before you approve: {'; '.join(missing)}.", code="not_looked")
    return wanted.document


def look_of(review: Review, reviewer: str) -> Look:
    found = Look.objects.filter(review=review, reviewer=reviewer).first()
    return found or Look(review=review, reviewer_id=reviewer)


def left_to_do(wanted: Asks, look: Look, action: Action) -> list[str]:
    """In words, in the order of the policy."""
    told = [_evidence(title, action) for title in wanted.evidence if title not in look.opened]
    return told + [_state(name, action) for name in wanted.states if name not in look.stated]


def _evidence(title: str, action: Action) -> str:
    return f"open “{title}”" if title in titles(action) else f"the evidence “{title}” has to be there, and is not"


def _state(name: str, action: Action) -> str:
    return f"state the {name}" if can_be_stated(name, action) else f"the {name} has to be known, and is not"


def titles(action: Action) -> Sequence[str]:
    return [str(piece.get("title", "")) for piece in action.evidence]


def can_be_stated(name: str, action: Action) -> bool:
    return {"amount": action.amount_minor is not None, "counterparty": bool(action.counterparty)}.get(name, False)
