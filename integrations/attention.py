"""The credentials that somebody has to replace, before work stops or because too many know them: told where all the
team's systems are listed, so that nobody has to look for them."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery

from console.core.clock import now
from integrations.models import Credential, Integration, Opening
from integrations.queries import SOON
from integrations.refusals import IN_A_ROW

_WORST_FIRST = ("refused", "ended", "opened", "ends")


@dataclass(frozen=True, slots=True)
class Notice:
    """`why` is one of `_WORST_FIRST`; `since` is when it began or, of what `ends`, when it will."""

    credential: Credential
    why: str
    since: dt.datetime
    asker: str = ""
    replace_by: dt.datetime | None = None


def attention(integrations: Iterable[Integration]) -> list[Notice]:
    """One query, however many there are: the worst first, and of those the earliest."""
    opening = Opening.objects.filter(credential=OuterRef("pk")).order_by("opened_at")
    rows = (
        Credential.objects.filter(integration__in=[one.pk for one in integrations], revoked_at=None)
        .select_related("integration")
        .defer("sealed", "wrapped", "attestation")
        .annotate(
            opened_at=Subquery(opening.values("opened_at")[:1]),
            replace_by=Subquery(opening.values("replace_by")[:1]),
            asker=Subquery(opening.values("asker__name")[:1]),
        )
        .filter(
            Q(opened_at__isnull=False) | Q(refusals__gte=IN_A_ROW) | Q(expires_at__lte=now() + dt.timedelta(days=SOON))
        )
    )
    return sorted(map(_notice, rows), key=lambda one: (_WORST_FIRST.index(one.why), one.since))


def _notice(row: Credential) -> Notice:
    if row.refusals >= IN_A_ROW and row.refused_at:
        return Notice(row, "refused", row.refused_at)
    if row.expires_at and row.expires_at <= now():
        return Notice(row, "ended", row.expires_at)
    if row.opened_at:  # type: ignore[attr-defined]  # annotated, as the next are
        return Notice(row, "opened", row.opened_at, row.asker, row.replace_by)  # type: ignore[attr-defined]
    return Notice(row, "ends", row.expires_at or now())
