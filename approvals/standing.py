"""Whether somebody may ask for something: by which grant, and if not, why not. It stores nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.core.clock import now
from console.core.compiled import Compiled
from console.core.errors import Invalid
from integrations.described import complete
from integrations.limits import check_limits
from integrations.models import Grant, Operation

_GRANTS = Compiled(
    lambda team, grantee, integration: Grant.objects.filter(
        team=team, grantee=grantee, integration=integration, revoked_at=None, credential__revoked_at=None
    ).order_by("created_at", "id")
)
# Why a grant allows no more of it after what was asked for before, in words; "" when it does.
Spent = Callable[[Grant, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """`beyond` is what the grant does not allow, in words."""

    grant: Grant | None
    beyond: str = ""


def choose(grants: Sequence[Grant], operation: Operation, arguments: Mapping[str, Any], spent: Spent) -> Chosen:
    """The first of `grants_of` whose limits allow it. Where none does the oldest."""
    beyond = ""
    for grant in grants:
        text = check_limits(grant.limits, operation.description.get("arguments", {}), arguments)
        text = text or spent(grant, arguments)
        if not text:
            return Chosen(grant)
        beyond = beyond or text
    return Chosen(grants[0] if grants else None, beyond)


def grants_of(team: str, grantee: str, operation: Operation) -> list[Grant]:
    """In force for this grantee and operation, the oldest first."""
    at, given = now(), _GRANTS(team, grantee, operation.integration_id)
    return [one for one in given if operation.slug in one.operations and (one.until is None or one.until > at)]


def refused(chosen: Chosen, grantee: str, operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Why at once, if so. `operation` is annotated with whether it is quarantined. Raises Tampered."""
    if chosen.grant is None:
        return {
            "code": "not_granted",
            "text": f"{grantee} has no grant for {operation.integration.slug}.{operation.slug}.",
        }
    if chosen.beyond:
        return {"code": "beyond_grant", "text": chosen.beyond}
    return unfit(operation, arguments)


def unfit(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same, whatever is granted."""
    if operation.quarantined:  # type: ignore[attr-defined]  # annotated
        text = "Its description has changed, and an admin has to look at the change first."
        return {"code": "quarantined", "text": text}
    try:
        complete(operation).check_arguments(arguments)
    except Invalid as error:
        return {"code": error.code, "text": error.text}
    return None
