"""Whether a team has as many people as are asked, where an argument that could not be decoded asks one more of them."""

from approvals.models import Review, Ruling
from approvals.policies.decide import COULD_NOT
from approvals.policies.slots import SlotSpec
from console.accounts.models import Membership
from console.core.actor import Role


def too_few(review: Review, ruling: Ruling | None, slot: SlotSpec | None) -> str:
    """What to do about it; "" where there are enough. One query, and none where nothing was undecoded."""
    raised = any(COULD_NOT in str(reason) for reason in (ruling.reasons if ruling else ()))
    if not raised or slot is None or review.state != "open":
        return ""
    there = Membership.objects.filter(team=review.team_id, user__is_active=True, roles__contains=[Role.REVIEWER])
    asked = there.filter(groups__overlap=sorted(slot.groups)).exclude(user__in=review.action.barred)
    groups = list(asked.values_list("groups", flat=True))
    counted = {group: sum(group in theirs for theirs in groups) for group in slot.groups}
    if any(counted[way.group] >= way.count for way in slot.ways):
        return ""
    what = "Have the argument described, or give the group to somebody else: nobody can approve this as it is."
    return f"{_listed(slot, counted)}, and {slot} would have to sign. {what}"


def _listed(slot: SlotSpec, counted: dict[str, int]) -> str:
    said = [f"{counted[group]} of {group}" for group in sorted(slot.groups)]
    return f"Of those who could sign there {'is' if sum(counted.values()) == 1 else 'are'} {' and '.join(said)}"
