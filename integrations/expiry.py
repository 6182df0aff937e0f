"""When a credential ends at the other side, as a person or its certificate says, and telling of it in time."""

import datetime as dt

from cryptography import x509
from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Invalid
from integrations.models import Credential

DAYS = (14, 3, 0)  # ahead
ACTOR = system("beat")


def known_end(secret: object, given: dt.datetime | None) -> dt.datetime | None:
    """The earlier of what the person says and of what the first certificate among the parts says."""
    text = secret.get("certificate", "") if isinstance(secret, dict) else ""
    found = [x509.load_pem_x509_certificates(text.encode())[0].not_valid_after_utc] if text else []
    return min([*found, *([given] if given else [])], default=None)


def last_moment(day: str) -> dt.datetime | None:
    """Of a day as a form gives it, in UTC; None for none. Raises Invalid for what is no day, or has passed."""
    if not day:
        return None
    try:
        moment = dt.datetime.combine(dt.date.fromisoformat(day), dt.time.max, dt.UTC)
    except ValueError:
        raise Invalid("Ends on: must be a day, as 2027-01-31.") from None
    if moment <= now():
        raise Invalid("Ends on: this day has passed.")
    return moment


def due(expires_at: dt.datetime, told: int | None, at: dt.datetime) -> int | None:
    """Of the notices that are due, the last, if it has not been given: days ahead. Pure."""
    days = min((days for days in DAYS if expires_at - at <= dt.timedelta(days=days)), default=None)
    return days if days is not None and (told is None or days < told) else None


def tell_ends() -> int:
    """Each notice once; whoever is late tells the last one only."""
    soon = Credential.objects.filter(revoked_at=None, expires_at__lte=now() + dt.timedelta(days=DAYS[0]))
    waiting = soon.exclude(told_days=0).values_list("pk", "expires_at", "told_days")
    found = [(pk, told, days) for pk, ends, told in waiting if ends and (days := due(ends, told, now())) is not None]
    return sum(_tell(pk, told, days) for pk, told, days in found)


@transaction.atomic
def _tell(identity: str, told: int | None, days: int) -> bool:
    if not Credential.objects.filter(pk=identity, told_days=told).update(told_days=days):
        return False  # by another one meanwhile
    row = Credential.objects.select_related("integration").only("name", "expires_at", "integration").get(pk=identity)
    ends = row.expires_at.isoformat() if row.expires_at else ""
    detail = {"integration": row.integration_id, "name": row.name, "expires_at": ends}
    kind = Kind.CREDENTIAL_EXPIRING if days else Kind.CREDENTIAL_EXPIRED
    more = {"days": days} if days else {}
    record(kind, subject=row.pk, actor=ACTOR, team=row.integration.team_id, detail={**detail, **more})
    return True
