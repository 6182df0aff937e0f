"""What two policies say of the same actions that were really asked for.

Each is taken as it was decoded then. What is counted over other actions is counted as of that time, by what is known of
them today.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import QuerySet

from approvals.authority import question
from approvals.counted import Counted
from approvals.models import Action
from approvals.policies.decide import Answer, decide
from approvals.policies.strength import Strength, strength
from console.core.errors import Tampered

MOST = 1_000
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Differing:
    """An action that one policy answers otherwise than the other."""

    action: Action
    before: Strength
    after: Strength
    rule: str

    @property
    def laxer(self) -> bool:
        return self.after.is_laxer_than(self.before)


@dataclass(frozen=True, slots=True)
class Replay:
    """`looked_at` of `of` actions, the newest first: the time may have ended."""

    differing: tuple[Differing, ...]
    looked_at: int
    of: int


def replay(
    actions: QuerySet[Action], old: Mapping[str, Any] | None, new: Mapping[str, Any], *, seconds: float = SECONDS
) -> Replay:
    """Of the newest of these actions, as far as they were decoded at all."""
    decoded = actions.filter(action_digest__isnull=False).select_related("operation__integration")
    newest = list(decoded.order_by("-created_at")[:MOST])
    until, looked_at, found = time.monotonic() + seconds, 0, list[Differing]()
    for action in newest:
        if time.monotonic() > until:
            break
        found += _difference(action, old, new)
        looked_at += 1
    return Replay(tuple(found), looked_at, len(newest))


def _difference(action: Action, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Iterator[Differing]:
    try:
        before, after = answer_then(action, old), answer_then(action, new)
    except Tampered:  # what was read beside it is not what was reviewed: nothing can be said of it
        return
    said, would_say = (strength(one.outcome, one.requirement) for one in (before, after))
    if said != would_say:
        yield Differing(action, said, would_say, after.rule)


def answer_then(action: Action, document: Mapping[str, Any] | None) -> Answer:
    """As it was decoded then. Raises Tampered."""
    asked = question(action.operation, action.grantee, action.amount_minor, action.currency)
    counted = Counted(action, document or {}, at=action.created_at)
    return decide(document, replace(asked, counterparty=action.counterparty, counted=counted, at=action.created_at,
                                    on_behalf_of=action.on_behalf_of, revised=bool(action.editors)))  # fmt: skip
