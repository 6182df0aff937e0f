"""What an authorization server gave for a credential that is revoked: ended there (RFC 7009) where the settings say
how, and dropped here. Runs in the door alone.

It is the one thing for which a revoked credential is opened: the server wants to know who asks.
"""

import psycopg
from django.db import transaction
from django.db.models import F

from audit.record import record
from audit.vocabulary import Kind
from console.core import presence
from console.core.actor import Actor
from console.core.attest import verify
from console.core.clock import now
from console.core.door_keys import KeyMissing
from console.core.errors import Invalid, Tampered
from console.core.sealing import unseal
from integrations.authorize import verify_settings
from integrations.credential_types import unpack
from integrations.models import AccessToken, Credential
from integrations.outbound import NotSent, Unknown
from integrations.token_request import Denied, end
from integrations.tokens import PATIENCE, held_tokens

MOST_TRIES = 3  # a minute apart


def end_tokens(credential_id: str, *, actor: Actor) -> None:
    """In turn with whoever renews them. Nothing where there is nothing to end, or another door is at it."""
    try:
        with presence.turn(f"token {credential_id}", patience=PATIENCE):
            _end_in_turn(credential_id, actor)
    except psycopg.Error:
        return  # the sweep comes back to it


def _end_in_turn(credential_id: str, actor: Actor) -> None:
    rows = AccessToken.objects.select_related("credential__integration")
    row = rows.filter(pk=credential_id, ended_at=None, credential__revoked_at__isnull=False).first()
    if row is None:
        return
    tampered = problem = ""
    asked = not row.died_at and "revoke_url" in row.credential.integration.credential_settings
    if asked:
        try:
            _ask(row)
        except Tampered as error:
            tampered = problem = f"What is stored does not match what was signed. {error}"
        except (Denied, NotSent, Unknown, KeyMissing, Invalid) as error:
            problem = str(error)
    with transaction.atomic():
        if tampered:
            team = row.credential.integration.team_id
            record(Kind.ALARM_TAMPERED, subject=row.pk, actor=actor, team=team, detail={"what": tampered[:300]})
        _keep(row, problem[:300], asked, actor)


def _ask(row: AccessToken) -> None:
    """Of a consent the refresh token, with which the server ends all that came of it (§2.1); else the access token."""
    credential, integration = row.credential, row.credential.integration
    verify("credential", credential.attested(), credential.attestation)
    verify_settings(integration)
    opened = unpack(integration.credential_type, integration.credential_settings, unseal(credential.seal))
    held = held_tokens(row, credential)
    for hint in ("refresh", "access"):
        if held[hint]:
            end(opened, held[hint], f"{hint}_token")


def _keep(row: AccessToken, problem: str, asked: bool, actor: Actor) -> None:
    """Dropped once they are ended, or it was tried often enough; of the last failure the log tells."""
    tries = row.end_tries + 1
    over = not problem or tries >= MOST_TRIES
    dropped = {"content": b"", "ended_at": now()} if over else {}
    rows = AccessToken.objects.filter(pk=row.pk, version=row.version, ended_at=None)
    if not rows.update(end_tries=F("end_tries") + 1, problem=problem, **dropped) or not over:
        return
    credential: Credential = row.credential
    detail: dict[str, object] = {"integration": credential.integration_id, "name": credential.name}
    detail |= {"why": problem} if problem else {"there": asked}
    kind = Kind.CREDENTIAL_NOT_ENDED if problem else Kind.CREDENTIAL_ENDED
    record(kind, subject=credential.pk, actor=actor, team=credential.integration.team_id, detail=detail)
