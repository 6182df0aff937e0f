"""The token of a credential: the one that is still good, or a new one. Runs in the door alone.

Doors take turns at a credential, so that no refresh token is used twice: a server that sees one again takes it for
stolen and ends them all. A door that dies between the server's answer and the commit loses what it was given; where the
server gives each refresh token once only, a person has to consent again. Nothing on our side can prevent that.
"""

import datetime as dt
import json
from dataclasses import dataclass, field

import psycopg
from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core import presence
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Invalid
from console.core.sealing import seal_beside, unseal_beside
from integrations.credential_types import Opened, known, unpack
from integrations.models import AccessToken, Credential, Integration
from integrations.outbound import NotSent, Unknown
from integrations.token_request import Denied, Granted, ask

EARLY = dt.timedelta(seconds=30)  # a token that ends while the request is on its way is no use
PATIENCE = 30.0  # seconds, for the turn: whoever has it waits for a server
NOT_CONNECTED = "Nobody has consented to the use of this credential yet: connect it, on the page of its integration."
DEAD = "The authorization server takes this credential no more: connect it again, on the page of its integration."
DOOR = system("door")


class TokenDenied(NotSent):
    """The authorization server takes the credential for no good one."""


@dataclass(frozen=True, slots=True)
class Token:
    version: int
    text: str = field(repr=False)


def token_for(credential: Credential, integration: Integration, secret: str) -> Token | None:
    """None where the way to sign in needs none. Raises as `current_token` does."""
    if not known(integration.credential_type).grant:
        return None
    try:
        opened = unpack(integration.credential_type, integration.credential_settings, secret)
    except Invalid as error:
        raise NotSent(error.text) from None
    return current_token(credential, opened)


def current_token(credential: Credential, opened: Opened) -> Token:
    """Raises NotSent when there is none to be had; Tampered for one that the door did not seal."""
    if token := _good(_row(credential), credential):
        return token
    try:
        with presence.turn(f"token {credential.pk}", patience=PATIENCE):
            return _in_turn(credential, opened)
    except psycopg.errors.LockNotAvailable:
        raise NotSent("Another door has been waiting for a token of this credential for too long.") from None
    except psycopg.Error as error:
        raise NotSent(f"The database is away: {type(error).__name__}.") from None


def forget_token(credential: Credential, token: Token) -> None:
    """The other side refused it before its time: the next request asks for another."""
    AccessToken.objects.filter(credential=credential, version=token.version).update(expires_at=now())


@transaction.atomic
def keep(credential: Credential, granted: Granted, *, refresh: str = "", over: int | None = None) -> Token | None:
    """At once after it was given. `refresh` is the token of before, which stays where the server gave no other; `over`
    the version that was read. None when that is no longer there: a person has consented anew meanwhile, and what rests
    on the former consent must not take the place of that."""
    row = AccessToken.objects.select_for_update().filter(credential=credential).first()
    version = row.version + 1 if row else 1
    if over is not None and version != over + 1:
        return None
    held = json.dumps({"access": granted.access, "refresh": granted.refresh or refresh})
    content = seal_beside(credential.seal, held, place=_place(credential, version))
    expires_at = now() + dt.timedelta(seconds=granted.seconds) if granted.seconds is not None else None
    AccessToken.objects.update_or_create(
        credential=credential,
        defaults={"version": version, "content": content, "expires_at": expires_at, "refreshed_at": now(),
                  "problem": "", "died_at": None, "end_tries": 0, "ended_at": None},
    )  # fmt: skip
    detail = {"integration": credential.integration_id, "version": version,
              "expires_at": expires_at.isoformat() if expires_at else None}  # fmt: skip
    record(Kind.CREDENTIAL_REFRESHED, subject=credential.pk, actor=DOOR, team=credential.integration.team_id,
           detail=detail)  # fmt: skip
    return Token(version, granted.access)


def _in_turn(credential: Credential, opened: Opened) -> Token:
    """Read once more: whoever had the turn before may have done it."""
    if Credential.objects.filter(pk=credential.pk, revoked_at__isnull=False).exists():
        raise NotSent("The credential was revoked meanwhile.")
    row = _row(credential)
    if token := _good(row, credential):
        return token
    if row is not None and row.died_at:
        raise TokenDenied(DEAD)
    by_consent = opened.kind.grant == "authorization_code"
    refresh = held_tokens(row, credential)["refresh"] if row and by_consent else ""
    if by_consent and not refresh:
        raise NotSent(DEAD if row else NOT_CONNECTED)
    try:
        granted = ask(opened, _form(opened, refresh))
    except Denied as error:
        return _denied(credential, row, error, by_consent)
    except Unknown as error:
        raise NotSent(f"No token: {error}") from None
    over = row.version if row else 0
    if token := keep(credential, granted, refresh=refresh, over=over) or _good(_row(credential), credential):
        return token
    raise NotSent("The credential was connected anew meanwhile.")


def _form(opened: Opened, refresh: str) -> dict[str, str]:
    if refresh:
        return {"grant_type": "refresh_token", "refresh_token": refresh}
    scope = {"scope": opened.settings["scope"]} if "scope" in opened.settings else {}
    return {"grant_type": opened.kind.grant, **scope}


def _denied(credential: Credential, row: AccessToken | None, error: Denied, by_consent: bool) -> Token:
    """`invalid_grant` is the end of a consent, unless another door has used the refresh token after all."""
    if token := _good(_row(credential), credential):
        return token
    if row:
        _tell(credential, row.version, str(error), died=by_consent and error.code == "invalid_grant")
    raise TokenDenied(str(error))


@transaction.atomic
def _tell(credential: Credential, version: int, problem: str, *, died: bool) -> None:
    rows = AccessToken.objects.filter(credential=credential, version=version, died_at=None)
    ended = {"died_at": now()} if died else {}
    if rows.update(problem=problem[:300], **ended) and died:
        detail = {"integration": credential.integration_id, "name": credential.name, "why": problem[:300]}
        team = credential.integration.team_id
        record(Kind.CREDENTIAL_DIED, subject=credential.pk, actor=DOOR, team=team, detail=detail)


def _good(row: AccessToken | None, credential: Credential) -> Token | None:
    if row is None or row.died_at or row.ended_at or (row.expires_at and row.expires_at <= now() + EARLY):
        return None
    return Token(row.version, held_tokens(row, credential)["access"])


def held_tokens(row: AccessToken, credential: Credential) -> dict[str, str]:
    held: dict[str, str] = json.loads(
        unseal_beside(credential.seal, row.content, place=_place(credential, row.version))
    )
    return held


def _row(credential: Credential) -> AccessToken | None:
    return AccessToken.objects.filter(credential=credential).first()


def _place(credential: Credential, version: int) -> str:
    return f"integrations_accesstoken/{credential.pk}/{version}"
