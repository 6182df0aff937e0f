"""What an action stands in when it is ruled: for whom it is, what they asked for, where it happens, what its run has
done. Shown to whoever signs beside the facts, and part of what they sign."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from approvals.distance import distance_of, has_persons_words
from approvals.models import Action
from approvals.so_far import SoFar
from audit.models import Record
from audit.vocabulary import Kind
from console.core.canonical import digest
from console.core.errors import Tampered
from integrations.environment import environment_of


def context_of(action: Action, done: SoFar) -> dict[str, Any]:
    """As JSON. Needs operation and integration loaded."""
    return {
        "on_behalf_of": action.on_behalf_of,
        "environment": environment_of(action.operation.integration),
        "within": "run" if action.run else "day",
        "actions": done.prior_actions,
        "writes": done.prior_writes,
        "operations": dict(done.prior_operations),
        "data": None if done.data is None else sorted(done.data),
        "untrusted": done.untrusted,
        **({"distance": distance_of(action)} if has_persons_words(action) else {}),
        **({"request": {"by": action.request_by, "text": action.request}} if action.request else {}),
    }


def context_digest(action: Action) -> str:
    """ "" where there is none."""
    return digest("countersign/context/v1", action.context).hex() if action.context else ""


def held_leaves(action: str) -> ArraySubquery:
    """To annotate with: what the log tells of the moment at which the action that this field names was held."""
    told = Record.objects.filter(subject=OuterRef(action), kind=Kind.ACTION_HELD)
    return ArraySubquery(told.order_by().values("leaf"))


def check_context(action: Action, leaves: Iterable[bytes | memoryview]) -> None:
    """Raises Tampered where the log tells of another context than what was shown, or of two: SQL may write a record,
    and takes none away."""
    details = [json.loads(bytes(leaf))["detail"] for leaf in leaves]
    of_this = [one for one in details if one.get("revision", 1) == action.revision]
    told = {one.get("context_digest", "") for one in of_this} or {""}
    if told != {context_digest(action)}:
        raise Tampered("What was shown of its run is not what was recorded when it was held.")
