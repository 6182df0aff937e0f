"""What can be said of a policy before it rules: what the lab finds in it, and what it says of what really happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from approvals.models import Action
from approvals.replay import Replay, replay
from console.core.errors import Invalid

if TYPE_CHECKING:
    from approvals.policies.findings import Changes, Findings

SECONDS = 5.0  # for each of the three looks at it


@dataclass(frozen=True, slots=True)
class Preview:
    findings: "Findings"
    changes: "Changes"
    replay: Replay

    @property
    def unfinished(self) -> list[str]:
        return [one.text for one in (*self.findings.unfinished, *self.changes.unfinished)]


def preview(document: Mapping[str, Any], current: Mapping[str, Any] | None, team: str) -> Preview:
    from approvals.policies import lab  # noqa: PLC0415  (z3: 40 MB that few processes ever need)

    return Preview(
        lab.analyse(document, seconds=SECONDS),
        lab.compare(current, document, seconds=SECONDS),
        replay(Action.objects.filter(team=team), current, document, seconds=SECONDS),
    )


def check_promises(document: Mapping[str, Any]) -> None:
    """Raises Invalid where a policy allows what it says itself must never be, or that cannot be told in time."""
    if not document.get("never"):
        return
    from approvals.policies import lab  # noqa: PLC0415  (as above)

    found = lab.check_promises(document)
    broken = [one.text for one in found.broken if one.instance.confirmed] + [one.text for one in found.unfinished]
    if broken:
        raise Invalid(f"never: {' '.join(broken)}", code="promise_broken")
