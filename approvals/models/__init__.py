"""What may happen: actions as proposed, the policy's rulings on them, reviews, signed decisions, single-use permits."""

from approvals.models.action import ACTION, SETTLED, UNDONE, WITHOUT_EFFECT, Action, action_id
from approvals.models.halt import Halt, halt_id
from approvals.models.known_name import ApprovedName
from approvals.models.mandate import Mandate, mandate_id
from approvals.models.permit import Permit, permit_id
from approvals.models.policy import Policy, PolicyVersion, Ruling, Trial, policy_id, ruling_id, trial_id, version_id
from approvals.models.review import Decision, Review, Slot, SlotGroup, decision_id, review_id, slot_id

# Migrations know the makers of ids by their place here.
__all__ = [
    "ACTION",
    "SETTLED",
    "UNDONE",
    "WITHOUT_EFFECT",
    "Action",
    "ApprovedName",
    "Decision",
    "Halt",
    "Mandate",
    "Permit",
    "Policy",
    "PolicyVersion",
    "Review",
    "Ruling",
    "Slot",
    "SlotGroup",
    "Trial",
    "action_id",
    "decision_id",
    "halt_id",
    "mandate_id",
    "permit_id",
    "policy_id",
    "review_id",
    "ruling_id",
    "slot_id",
    "trial_id",
    "version_id",
]  # fmt: skip
