"""A person's consent to the use of a credential (OAuth 2.0 with PKCE, RFC 7636): asked for and received by web, and
exchanged by the door, which alone sees the tokens."""

import base64
import contextlib
import datetime as dt
import hashlib
import secrets
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from django.db import transaction

from audit.move import begin, move
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import attest, verify
from console.core.clock import now
from console.core.door_keys import KeyMissing
from console.core.errors import Conflict, Invalid, NotFound, Tampered
from console.core.sealing import seal_for_now, unseal, unseal_for_now
from console.core.wake import wake
from integrations.credential_types import known, unpack
from integrations.models import Authorization, Credential, Integration
from integrations.outbound import NotSent, Unknown
from integrations.token_request import Denied, Granted, ask
from integrations.tokens import keep

GOOD_FOR = dt.timedelta(minutes=10)
GIVEN_UP = dt.timedelta(minutes=2)  # after which a door that has begun to exchange is taken for dead
TASK = "integrations.tasks.exchange_code"


class Answered(NamedTuple):
    """What the authorization server sent back with the person. `issuer` is that of RFC 9207, "" where it has none."""

    state: str
    code: str
    error: str
    issuer: str


@transaction.atomic
def begin_authorization(credential: Credential, *, session: str, redirect_uri: str, actor: Actor) -> str:
    """The address to which the person goes. Raises Conflict for a credential that needs no consent, or is revoked."""
    actor.require(Role.ADMIN)
    if not needs_consent(credential) or credential.revoked_at:
        raise Conflict("This credential is not one that a person consents to.")
    verify_settings(credential.integration)
    parts, state, verifier = credential.integration.credential_settings, secrets.token_urlsafe(32), _verifier()
    row = Authorization(credential=credential, person=actor.id, session=_digest(session), asked=_digest(state),
                        redirect_uri=redirect_uri)  # fmt: skip
    row.verifier = seal_for_now(verifier, place=row.place("verifier"))
    begin(row, actor=actor, detail={"credential": credential.pk})
    asked = {"response_type": "code", "client_id": parts["client_id"], "redirect_uri": redirect_uri, "state": state,
             "code_challenge": _challenge(verifier), "code_challenge_method": "S256"}  # fmt: skip
    if "scope" in parts:
        asked["scope"] = parts["scope"]
    address = parts["authorize_url"]
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"


def asked_for(answered: Answered, *, session: str, actor: Actor) -> Authorization:
    """That which this answer belongs to: of this session, person and team, not used and not too old. Raises NotFound:
    what somebody else began is nobody's here."""
    found = Authorization.objects.select_related("credential__integration").filter(
        asked=_digest(answered.state), session=_digest(session), person=actor.id, state="started",
        credential__integration__team=actor.team, started_at__gt=now() - GOOD_FOR,
    )  # fmt: skip
    row = found.defer("credential__sealed", "credential__wrapped", "credential__attestation").first()
    if row is None:
        raise NotFound(
            "You have not asked for this in this session, or it took too long. Connect the credential again."
        )
    return row


@transaction.atomic
def receive_answer(answered: Answered, *, session: str, actor: Actor) -> Authorization:
    """Once: the same answer a second time finds nothing. One that another server gave (RFC 9207) has failed."""
    actor.require(Role.ADMIN)
    row = asked_for(answered, session=session, actor=actor)
    if not Authorization.objects.select_for_update().filter(pk=row.pk, state="started").first():
        raise Conflict("This answer has been taken already.")
    if wrong := why_not(row, answered):
        _end(row, wrong, actor)
        return row
    row.code = seal_for_now(answered.code, place=row.place("code"))
    row.attestation = attest("authorization", row.attested())
    move(row, "received", actor=actor, detail={"credential": row.credential_id}, code=row.code,
         attestation=row.attestation, moved_at=now())  # fmt: skip
    wake(TASK, "actions", row.pk)
    return row


def why_not(row: Authorization, answered: Answered) -> str:
    """Why this answer is not taken; "" when it is. Where the server names itself, it must be who was asked: by the
    setting, or else by the host."""
    parts = row.credential.integration.credential_settings
    expected = parts.get("issuer", "")
    genuine = answered.issuer == expected if expected else _origin(answered.issuer) == _origin(parts["authorize_url"])
    if answered.issuer and not genuine:
        return "Another server has answered than the one that was asked."
    if answered.error:
        return f"The authorization server says {answered.error[:100]}."
    return "" if answered.code else "The authorization server gave no code."


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def needs_consent(credential: Credential) -> bool:
    return known(credential.integration.credential_type).grant == "authorization_code"


def exchange_code(identity: str, *, actor: Actor) -> Authorization | None:
    """The door's part. Claimed before the request, so that no code is sent twice. None when there is nothing to do."""
    row = _claim(identity, actor)
    if row is None:
        return None
    granted, problem, tampered = None, "", ""
    try:
        granted = _exchange(row)
    except Tampered as error:
        tampered = str(error)[:300]
        problem = f"What is stored does not match what was signed. {tampered}"
    except (Denied, NotSent, Unknown, KeyMissing, Invalid) as error:
        problem = str(error)
    with transaction.atomic():
        _end(row, problem, actor)
        if tampered:
            alarm = {"what": tampered}
            record(Kind.ALARM_TAMPERED, subject=row.pk, actor=actor, detail=alarm, **row.audit_context())
        if granted:
            keep(row.credential, granted)
    return row


def _exchange(row: Authorization) -> Granted:
    credential, integration = row.credential, row.credential.integration
    verify("authorization", row.attested(), row.attestation)
    verify("credential", credential.attested(), credential.attestation)
    verify_settings(integration)
    opened = unpack(integration.credential_type, integration.credential_settings, unseal(credential.seal))
    code, verifier = (
        unseal_for_now(sealed, place=row.place(part))
        for part, sealed in (("code", row.code), ("verifier", row.verifier))
    )
    form = {"grant_type": "authorization_code", "redirect_uri": row.redirect_uri, "code": code}
    return ask(opened, {**form, "code_verifier": verifier})


def verify_settings(integration: Integration) -> None:
    """No action is at hand whose operation says where a secret may go; any that the console has signed does. Raises
    Tampered, and Invalid where there is no operation yet."""
    found = list(integration.operations.only("slug", "digest", "attestation"))
    if not found:
        raise Invalid(f"{integration.slug} has no operation yet: describe what it is connected for, first.")
    for operation in found:
        operation.integration = integration
        with contextlib.suppress(Tampered):
            return verify("operation", operation.attested(), operation.attestation)
    raise Tampered(f"How one signs in at {integration.slug} is not what the console signed.")


@transaction.atomic
def _claim(identity: str, actor: Actor) -> Authorization | None:
    rows = Authorization.objects.select_for_update(of=("self",)).select_related("credential__integration")
    row = rows.filter(pk=identity, state__in=["received", "exchanging"]).first()
    if row is None:
        return None
    if row.state == "exchanging":
        if row.moved_at < now() - GIVEN_UP:
            _end(row, "The door that exchanged the code is gone. Connect the credential again.", actor)
        return None
    if row.credential.revoked_at:
        _end(row, "The credential was revoked meanwhile.", actor)
        return None
    move(row, "exchanging", actor=actor, detail={"credential": row.credential_id}, moved_at=now())
    return row


def _end(row: Authorization, problem: str, actor: Actor) -> None:
    """Connected, when there is no problem."""
    detail = {"credential": row.credential_id, **({"problem": problem[:300]} if problem else {})}
    move(row, "failed" if problem else "connected", actor=actor, detail=detail, problem=problem[:300], moved_at=now())


def offer_exchanges() -> int:
    """Wake the door for what a lost message left, and for what a dead door began."""
    late = Authorization.objects.filter(
        state__in=["received", "exchanging"], moved_at__lt=now() - dt.timedelta(seconds=1)
    )
    ids = list(late.values_list("pk", flat=True)[:200])
    for identity in ids:
        wake(TASK, "actions", identity)
    return len(ids)


def _verifier() -> str:
    return secrets.token_urlsafe(48)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
