"""How a passkey begins and ends."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from webauthn import verify_registration_response
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import CredentialDeviceType
from webauthn.registration.verify_registration_response import VerifiedRegistration

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Passkey, User
from console.accounts.passkeys import VIRTUAL, check_same_page, enrolment
from console.core import attest
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from console.core.ids import new_id


@dataclass(frozen=True, slots=True)
class Registration:
    """A verified answer of `navigator.credentials.create`, with the bytes that an outsider checks it from."""

    verified: VerifiedRegistration
    client_data_json: bytes
    transports: list[str]

    @property
    def alg(self) -> int:
        return int(decode_credential_public_key(self.verified.credential_public_key).alg)

    @property
    def aaguid(self) -> uuid.UUID:
        return uuid.UUID(self.verified.aaguid)


@transaction.atomic
def enrol_passkey(
    user: User,
    credential: Mapping[str, object],
    *,
    challenge: bytes,
    label: str = "",
    how: str = "browser",
    actor: Actor,
) -> Passkey:
    """`credential` is the JSON of the browser's `toJSON`; `challenge` is what the page was given, fresh and unused."""
    if actor.id != user.id or not actor.interactive:
        raise Forbidden("People add their own passkeys, signed in with a browser.")
    registration = verify_registration(credential, challenge)
    if Passkey.objects.filter(credential_id=registration.verified.credential_id).exists():
        raise Invalid("This passkey has been added before.", code="bad_passkey")
    passkey = build(user, registration, label=label, how=how)
    passkey.attestation = attest.attest("passkey", passkey.document())
    passkey.save(force_insert=True)
    record(Kind.PASSKEY_ENROLLED, subject=passkey.id, actor=actor, detail=enrolment(passkey))
    return passkey


def verify_registration(credential: Mapping[str, object], challenge: bytes) -> Registration:
    """Exact origin and user verification, which allauth leaves open. Raises Invalid."""
    try:
        verified = verify_registration_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=settings.RP_ID,
            expected_origin=settings.ORIGIN,
            require_user_verification=True,
        )
        response, client_data_json = client_data(credential)
        check_same_page(client_data_json)
    except (WebAuthnException, ValueError, TypeError, KeyError) as fault:
        raise Invalid(f"This passkey cannot be added. {fault}", code="bad_passkey") from fault
    transports = response.get("transports")
    named = [str(one) for one in transports][:8] if isinstance(transports, list) else []
    return allow_authenticator(Registration(verified, client_data_json, named))


def client_data(credential: Mapping[str, object]) -> tuple[Mapping[str, object], bytes]:
    response = credential["response"]
    if not isinstance(response, Mapping):
        raise TypeError("The answer is not in the form that browsers send.")
    return response, base64url_to_bytes(str(response["clientDataJSON"]))


def challenge_in(credential: Mapping[str, object]) -> bytes:
    """For registrations whose challenge somebody else has compared already."""
    return base64url_to_bytes(str(json.loads(client_data(credential)[1])["challenge"]))


def allow_authenticator(registration: Registration) -> Registration:
    if registration.aaguid == VIRTUAL and not settings.ALLOW_VIRTUAL_AUTHENTICATORS:
        raise Invalid("This is a browser's test authenticator, which anyone can make sign.", code="bad_passkey")
    return registration


def build(user: User, registration: Registration, *, label: str, how: str) -> Passkey:
    verified = registration.verified
    return Passkey(
        id=new_id("pk"),
        user=user,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        alg=registration.alg,
        aaguid=registration.aaguid,
        backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
        user_verified=verified.user_verified,
        transports=registration.transports,
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
        attestation_object=verified.attestation_object,
        client_data_json=registration.client_data_json,
        sign_count=verified.sign_count,
        enrolled_at=now(),
        enrolled_how=how,
        label=label[:100],
    )


@transaction.atomic
def revoke_passkey(passkey: Passkey, *, why: str, actor: Actor) -> Passkey:
    """Ends signing and signing in with it; signatures made before stay checkable."""
    if actor.id != passkey.user_id:
        actor.require(Role.ADMIN)
    locked = Passkey.objects.select_for_update().get(pk=passkey.pk)
    if locked.revoked_at is not None:
        raise Conflict("This passkey has been removed already.")
    locked.revoked_at, locked.revoked_by, locked.revoked_why = now(), actor.id, why
    locked.save(update_fields=["revoked_at", "revoked_by", "revoked_why"])
    forget(locked)
    record(Kind.PASSKEY_REVOKED, subject=locked.id, actor=actor, detail={"user": locked.user_id}, personal={"why": why})
    return locked


def forget(passkey: Passkey) -> None:
    """The same key in the table of the sign-in library, which knows it by its id only."""
    key = bytes_to_base64url(bytes(passkey.credential_id))
    theirs = Authenticator.objects.filter(user=passkey.user_id, type=Authenticator.Type.WEBAUTHN)
    theirs.filter(data__credential__id=key).delete()
