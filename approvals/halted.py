"""Whether a halt covers an action. Asked when it is read, right before the first byte, and by the database when a call
begins."""

from django.db.models import Exists, OuterRef, Q

from approvals.models import Halt

HALTED = "It is halted."


def halted(prefix: str = "") -> Exists:
    """For a queryset of actions, or of what leads to one by `prefix`: whether a halt covers it."""
    own = Q(scope="team") | Q(target=OuterRef(f"{prefix}grantee"))
    own |= Q(target=OuterRef(f"{prefix}operation__integration"))
    return Exists(Halt.objects.filter(Q(team=None) | (Q(team=OuterRef(f"{prefix}team")) & own), state="on"))
