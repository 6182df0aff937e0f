"""Which operation a request means, and with which arguments."""

from collections.abc import Collection, Sequence

from console.core.errors import Invalid
from integrations.described import complete
from integrations.models import Operation
from integrations.read_back import Understood, read_back
from integrations.recognise import Ambiguous, Heard


def meant(rows: Sequence[Operation], mine: Collection[str], heard: Heard) -> tuple[Operation, Understood] | None:
    """The only one of those routed that it can be; None where it can be none of `mine`, which are ids. Another one
    counts too: a request for it must not pass for one of mine. Raises Unread or Ambiguous where nothing of mine could
    be read."""
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
    if reason and not found:
        raise reason
    return None
