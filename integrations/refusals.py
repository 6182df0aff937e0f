"""Whether the other side still takes a credential, as its answers say. The door alone notes it."""

from django.db import transaction
from django.db.models import F

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import system
from console.core.clock import now
from integrations.models import Credential

UNAUTHORIZED = 401
IN_A_ROW = 3  # refusals in use, before it is told; one may be about the request, or a moment's fault over there
DOOR = system("door")


def note_answer(credential: Credential, status: int) -> None:
    """Of use. Nothing is written while it goes on as it did; whoever has read the row long ago may count one too
    many or too few, on which nothing rests."""
    if status == UNAUTHORIZED:
        _refused(credential, 1)
    elif credential.refusals and 200 <= status < 300:
        Credential.objects.filter(pk=credential.pk).update(refusals=0, refused_at=None)


def note_refused_test(credential: Credential) -> None:
    """That is enough by itself: somebody wanted to know."""
    _refused(credential, IN_A_ROW)


@transaction.atomic
def _refused(credential: Credential, more: int) -> None:
    """Told once, when there have been so many; and once more after one that was taken."""
    row = Credential.objects.filter(pk=credential.pk)
    row.update(refusals=F("refusals") + more, refused_at=now())
    count = row.values_list("refusals", flat=True).get()
    if count - more < IN_A_ROW <= count:
        detail = {"integration": credential.integration_id, "name": credential.name}
        record(Kind.CREDENTIAL_REFUSED, subject=credential.pk, actor=DOOR, team=credential.integration.team_id,
               detail=detail)  # fmt: skip
