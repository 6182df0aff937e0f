"""Which operation a plain request means, among those that the agent is granted."""

from collections.abc import Sequence

from audit.read import record_refusal
from console.agents.identify import Identified
from console.core.errors import Forbidden, Invalid
from console.core.telemetry import read_traceparent
from console.gateway.acts import GUESSED, Asked
from console.gateway.api import LONGEST_KEY
from console.gateway.tools import granted_to
from integrations.described import complete
from integrations.models import Operation
from integrations.read_back import Understood, read_back
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
    if not mine:
        raise _unknown(who)
    row, understood = _meant(rows, mine, heard, who)
    parent = read_traceparent(heard.header("traceparent") or "")
    return Asked(
        f"{integration}.{row.slug}", understood.arguments, _key(heard, understood), _says(heard),
        parent=parent,
    )  # fmt: skip


def _meant(rows: Sequence[Operation], mine: set[str], heard: Heard, who: Identified) -> tuple[Operation, Understood]:
    """The only one that it can be. An operation that is not granted counts too: a request for it must not pass for one
    of another."""
    found, reason = [], None
    for row in rows:
        operation = complete(row)
        try:
            understood = read_back(operation, heard)
            if len(rows) > 1:
                operation.check_arguments(understood.arguments)
            found.append((row, understood))
        except Invalid as refusal:
            reason = reason or (refusal if row.pk in mine else None)
    if len(found) > 1 and any(row.pk in mine for row, _ in found):
        raise Ambiguous("More than one operation could be meant. Ask by the name of the operation instead.")
    if found and found[0][0].pk in mine:
        return found[0]
    raise (reason if reason and not found else _unknown(who))


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
    key = key or understood.key
    if len(key) > LONGEST_KEY:
        raise Invalid(f"A key has at most {LONGEST_KEY} characters.")
    return key
