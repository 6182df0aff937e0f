"""What a rule may look at. All of it was decoded or counted by us; nothing an agent wrote is in here.

None stands for what is not known. A rule that asks for it is not passed over: the answer is a review.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from console.core.clock import now

Kind = Literal["text", "number", "truth", "texts"]


@dataclass(frozen=True, slots=True)
class Question:
    """One action, as the policy is asked about it."""

    integration: str
    operation: str
    workflow: str
    effect: str
    categories: frozenset[str]
    trust: str
    idempotency: str
    amount_minor: int | None = None
    currency: str = ""
    agent: str = ""
    counterparty: str = ""
    environment: str = ""  # of the integration, as a person named it
    on_behalf_of: str = ""  # the id of the person for whom it is
    # Found out when it is asked for. Over other actions: `new_counterparty`; `data`, the classes that the run has read
    # so far; `untrusted`, whether it has read what outsiders wrote; `prior_actions`, how many it has done, and
    # `prior_operations`, which; and each total, this action included where it counts. Of itself: `distance`, of 100,
    # from what a person asked for.
    counted: Mapping[str, Any] = field(default_factory=dict)
    here: bool = False  # it is the console itself that does it
    undecoded: tuple[str, ...] = ()  # arguments of which nothing tells what they mean
    revised: bool = False  # by somebody who was asked to sign it
    # For rules that change them, and for no condition: an agent wrote them. None where nothing can be changed.
    arguments: Mapping[str, Any] | None = None
    at: dt.datetime = field(default_factory=now)


def _listed(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


# What a condition may name, flat: so that a misspelt name is found when the policy is saved. The lab knows them too.
FIELDS: Mapping[str, tuple[Kind, Callable[[Question], Any]]] = {
    "integration": ("text", lambda asked: asked.integration),
    "operation": ("text", lambda asked: asked.operation),
    "workflow": ("text", lambda asked: asked.workflow),
    "agent": ("text", lambda asked: asked.agent),
    "effect": ("text", lambda asked: asked.effect),
    "trust": ("text", lambda asked: asked.trust),
    "idempotency": ("text", lambda asked: asked.idempotency),
    "categories": ("texts", lambda asked: sorted(asked.categories)),
    "amount": ("number", lambda asked: asked.amount_minor),
    "currency": ("text", lambda asked: asked.currency if asked.amount_minor is not None else None),
    "counterparty": ("text", lambda asked: asked.counterparty or None),
    "environment": ("text", lambda asked: asked.environment or None),
    "on_behalf_of": ("text", lambda asked: asked.on_behalf_of or None),
    "new_counterparty": ("truth", lambda asked: asked.counted.get("new_counterparty")),
    "data": ("texts", lambda asked: _listed(asked.counted.get("data"))),
    "untrusted": ("truth", lambda asked: asked.counted.get("untrusted")),
    "distance": ("number", lambda asked: asked.counted.get("distance")),
    "prior_actions": ("number", lambda asked: asked.counted.get("prior_actions")),
    "prior_operations": ("texts", lambda asked: _listed(asked.counted.get("prior_operations"))),
}
TOTAL = "total_"  # before the name of a total, in a condition
