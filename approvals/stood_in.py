"""Whether a vote in another's place was theirs to give. In the door, from stored bytes."""

import datetime as dt

from approvals.models import Decision
from approvals.policies.standing_in import Case
from console.core.attest import verify
from console.core.errors import Tampered


def verify_delegation(decision: Decision, signed_at: dt.datetime, case: Case) -> None:
    """What the delegator gave is the console's own word, was in force when the delegate signed, and covers this. Needs
    the delegation loaded. Raises Tampered."""
    delegation = decision.delegation
    if delegation is None:
        if decision.on_behalf_of_id:
            raise Tampered("It was signed in another's place without a delegation.")
        return
    verify("delegation", delegation.attested(), delegation.attestation)
    given = delegation.given
    if (given.delegator, given.delegate) != (decision.on_behalf_of_id, decision.reviewer_id):
        raise Tampered("The delegation is between other people.")
    if delegation.team_id != decision.review.team_id:
        raise Tampered("The delegation is of another team.")
    if not given.in_force(signed_at) or (delegation.ended_at and delegation.ended_at <= signed_at):
        raise Tampered("The delegation was not in force when it was signed by.")
    if not given.covers(case):
        raise Tampered("The delegation does not cover this.")
