"""What may happen: actions as proposed, the policy's rulings on them, reviews, signed decisions, single-use permits."""

from approvals.models.action import ACTION, SETTLED, UNDONE, WITHOUT_EFFECT, Action, action_id
from approvals.models.delegation import Delegation, delegation_id
from approvals.models.drill import Drill
from approvals.models.halt import Halt, halt_id
from approvals.models.known_name import ApprovedName
from approvals.models.look import Look, VoteMeasure
from approvals.models.mandate import Mandate, mandate_id
from approvals.models.permit import Permit, permit_id
from approvals.models.policy import Policy, PolicyVersion, Ruling, Trial, policy_id, ruling_id, trial_id, version_id
from approvals.models.post_review import CareSetting, PostReview, post_review_id
from approvals.models.review import Decision, Review, Slot, SlotGroup, decision_id, review_id, slot_id
from approvals.models.revision import Revision, revision_id
from approvals.models.together import Claim, Comment, CommentResolution, claim_id, comment_id

# Migrations know the makers of ids by their place here.
__all__ = [
    "ACTION",
    "SETTLED",
    "UNDONE",
    "WITHOUT_EFFECT",
    "Action",
    "ApprovedName",
    "CareSetting",
    "Claim",
    "Comment",
    "CommentResolution",
    "Decision",
    "Delegation",
    "Drill",
    "Halt",
    "Look",
    "Mandate",
    "Permit",
    "Policy",
    "PolicyVersion",
    "PostReview",
    "Review",
    "Revision",
    "Ruling",
    "Slot",
    "SlotGroup",
    "Trial",
    "VoteMeasure",
    "action_id",
    "claim_id",
    "comment_id",
    "decision_id",
    "delegation_id",
    "halt_id",
    "mandate_id",
    "permit_id",
    "policy_id",
    "post_review_id",
    "review_id",
    "revision_id",
    "ruling_id",
    "slot_id",
    "trial_id",
    "version_id",
]  # fmt: skip
