"""What is asked of whoever approves, beside being allowed to."""

from collections.abc import Mapping
from typing import Any

from approvals.care.asks import check_seen
from approvals.care.breaks import check_break
from approvals.models import Review


def check_awake(review: Review, verdict: str, reviewer: str) -> Mapping[str, Any] | None:
    """What goes into the payload as seen. Raises Conflict, saying what is to be done first."""
    check_break(review, verdict, reviewer)
    return check_seen(review, verdict, reviewer)
