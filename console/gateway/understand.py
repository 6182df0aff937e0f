"""Which operation a plain request means, among those that the agent is granted."""

from audit.read import record_refusal
from console.agents.identify import Identified
from console.core.errors import Forbidden
from console.core.telemetry import read_traceparent
from console.gateway.acts import GUESSED, Asked
from console.gateway.tools import granted_to
from integrations.meant import meant
from integrations.models import Operation
from integrations.read_back import Understood
from integrations.recognise import Ambiguous, Heard, check_plain
from integrations.routing import routed

SAYS = "Countersign-Says"
PROPOSALS = "/api/v1/grant-proposals"


class NotGranted(Forbidden):
    """Also where there is no such integration, or no such operation: what there is beyond its grants is not told."""

    code = "not_granted"


def understand(who: Identified, integration: str, heard: Heard) -> Asked:
    """What the agent asks for by it. Raises NotGranted, which is in the log too; Unread or Ambiguous where the request
    could mean more than one thing."""
    check_plain(heard)
    rows = routed(Operation.objects.filter(integration__team=who.agent.team_id, integration__slug=integration), heard)
    granted = granted_to(who.agent)
    mine = {row.pk for row in rows if (row.integration_id, row.slug) in granted}
    found = meant(rows, mine, heard) if mine else None
    if found is None:
        raise _unknown(who)
    row, understood = found
    parent = read_traceparent(heard.header("traceparent") or "")
    return Asked(
        f"{integration}.{row.slug}", understood.arguments, _key(heard, understood), _says(heard),
        parent=parent,
    )  # fmt: skip


def _unknown(who: Identified) -> NotGranted:
    record_refusal(actor=who.actor, page=GUESSED)
    return NotGranted(f"Nothing that you are granted is asked for by this request. Propose a grant at {PROPOSALS}.")


def _says(heard: Heard) -> str:
    """Programs write headers in UTF-8, whatever the standard says."""
    return (heard.header(SAYS) or "").encode("latin-1").decode(errors="replace")


def _key(heard: Heard, understood: Understood) -> str:
    key = heard.header("Idempotency-Key") or ""
    if key and understood.key and key != understood.key:
        raise Ambiguous("The request carries two different keys.")
    return key or understood.key
