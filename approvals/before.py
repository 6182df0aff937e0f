"""The last action of the same kind that succeeded, for whoever compares. Shown, and never decided by."""

from approvals.models import Action


def last_like(action: Action) -> Action | None:
    """Of the same operation with the same counterparty; where there is none, of the same grantee. One query. What came
    after it was proposed is left out, so that a page says later what the signers saw."""
    found = Action.objects.filter(team=action.team_id, operation=action.operation_id, state="succeeded",
                                  settled_at__lt=action.created_at)  # fmt: skip
    if action.counterparty:
        found = found.exclude(counterparty="").filter(counterparty=action.counterparty)
    else:
        found = found.filter(counterparty="", grantee=action.grantee)
    return found.only("facts", "settled_at").order_by("-settled_at").first()
