"""Break-glass: a credential is opened for an admin for whom somebody else signed, for minutes, and revoked afterwards.

The door seals it anew to a key in the asker's browser, so that neither the console nor its database can read it.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.actors import human
from console.accounts.models import Membership, User
from console.core.actor import Role, system
from console.core.attest import verify
from console.core.clock import now
from console.core.door_keys import KeyMissing
from console.core.errors import Conflict, Invalid
from console.core.handing_over import seal_to_browser
from console.core.sealing import unseal
from integrations.credential_types import unpack
from integrations.describe import revoke_opened
from integrations.here import OPEN_MINUTES, REPLACE_HOURS
from integrations.models import Credential, Integration, Opening
from integrations.outbound import NotSent

DOOR, BEAT = system("door"), system("beat")


def open_for_asker(integration: Integration, asked: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Once per key, which is the action's."""
    opening = _open(integration, asked, key)
    return {"until": opening.until.isoformat(), "replace_by": opening.replace_by.isoformat()}


@transaction.atomic
def _open(integration: Integration, asked: Mapping[str, str], action: str) -> Opening:
    """By what signers have read: the names. Raises Conflict where they no longer name what they did."""
    named = {"integration__team": integration.team_id, "integration__slug": asked["integration"]}
    rows = Credential.objects.select_for_update(of=("self",)).select_related("integration")
    credential = rows.filter(name=asked["credential"], **named).first()
    if known := Opening.objects.filter(action=action).first():
        return known
    if credential is None or credential.revoked_at:
        raise Conflict("There is no such credential any more.")
    asker = _asker(integration.team_id, asked["asker"])
    opening = Opening(action=action, credential=credential, asker=asker, opened_at=now())
    opening.until = opening.opened_at + dt.timedelta(minutes=OPEN_MINUTES)
    opening.replace_by = opening.opened_at + dt.timedelta(hours=REPLACE_HOURS)
    opening.content = seal_to_browser(_parts(credential), asked["key"], place=opening.place)
    opening.save(force_insert=True)
    detail = {"name": credential.name, "integration": credential.integration_id, "action": action, "asker": asker.pk,
              "until": opening.until.isoformat(), "replace_by": opening.replace_by.isoformat()}  # fmt: skip
    record(Kind.CREDENTIAL_OPENED, subject=credential.pk, actor=DOOR, team=integration.team_id, detail=detail)
    return opening


def _asker(team: str, username: str) -> User:
    """Who is an admin still."""
    found = Membership.objects.select_related("user").filter(team=team, user__username=username, user__is_active=True)
    membership = found.first()
    if membership is None or not human(membership.user, membership, auth="session").has(Role.ADMIN):
        raise Conflict("Whoever asked is no admin of the team any more.")
    return membership.user


def _parts(credential: Credential) -> str:
    verify("credential", credential.attested(), credential.attestation)
    integration = credential.integration
    try:
        opened = unpack(integration.credential_type, integration.credential_settings, unseal(credential.seal))
    except KeyMissing as error:
        raise NotSent(str(error)) from None
    except Invalid as error:
        raise Conflict(error.text) from None
    return json.dumps(dict(opened.parts))


def end_openings() -> int:
    """What is sealed goes when its time is over, and the credential when nobody has replaced it. How many of both."""
    dropped = Opening.objects.filter(until__lte=now()).exclude(content=b"").update(content=b"")
    late = Opening.objects.filter(replace_by__lte=now(), credential__revoked_at=None).values_list("credential")
    revoked = [revoke_opened(row, actor=BEAT) for row in Credential.objects.filter(pk__in=late).only("pk")[:50]]
    return dropped + sum(revoked)
