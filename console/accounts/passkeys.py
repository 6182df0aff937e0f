"""Signatures over decisions: what is signed, and who checks it how.

A row of Passkey is not authority by itself. It counts while the console's own signature under it holds and the log
tells of its enrolment with the same key; `check_genuine` asks both.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from webauthn import generate_authentication_options, options_to_json, verify_authentication_response
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    PublicKeyCredentialDescriptor,
    UserVerificationRequirement,
)

from audit.models import Record
from audit.record import Change
from audit.vocabulary import Kind
from console.accounts.models import Passkey
from console.core import attest
from console.core.actor import Actor
from console.core.compiled import Compiled
from console.core.errors import Conflict, Invalid, Refusal, Tampered
from console.core.statements import Statement, run

DECISION = b"countersign/decision/v1\0"
# Columns that no check of a signature reads.
UNCHECKED = ("attestation_object", "client_data_json", "origin", "transports", "label", "backup_eligible", "backed_up",
             "user_verified", "last_used_at", "revoked_by", "revoked_why")  # fmt: skip
_OF_USER = Compiled(lambda user: Passkey.objects.filter(user=user).annotate(leaves=leaves_of("pk")).defer(*UNCHECKED))
_COUNT = """
UPDATE accounts_passkey SET sign_count = %s, backed_up = %s, last_used_at = clock_timestamp()
WHERE id = %s AND sign_count = %s AND revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Assertion:
    """The bytes of one signature, as they are stored under a decision. The signed message is
    `authenticator_data ‖ SHA-256(client_data_json)` (WebAuthn level 3 §7.2)."""

    credential_id: bytes
    client_data_json: bytes
    authenticator_data: bytes
    signature: bytes


# What Chromium's virtual authenticator calls itself: software without a holder, for tests and demonstrations.
VIRTUAL = uuid.UUID("01020304-0506-0708-0102-030405060708")
BACKUP_ELIGIBLE = 0x08  # of the flags in authenticator data, WebAuthn level 3 §6.1


def stays(authenticator_data: bytes | memoryview) -> bool:
    """Whether the passkey says, in what it signs, that it is never copied to another device."""
    return not bytes(authenticator_data)[32] & BACKUP_ELIGIBLE


def challenge_for(payload: bytes) -> bytes:
    """32 bytes. The payload must hold a fresh nonce of ours, since the challenge is what makes a signature unique."""
    return sha256(DECISION + payload).digest()


def signing_options(user_id: str, challenge: bytes) -> dict[str, object]:
    """For the browser's `sign(options)`. Raises Refusal for a person who has no passkey."""
    ids = Passkey.objects.filter(user=user_id, revoked_at=None).values_list("credential_id", flat=True)
    if not ids:
        raise Refusal("Add a passkey to your account first.", code="no_passkey")
    options = generate_authentication_options(
        rp_id=settings.RP_ID,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=bytes(one)) for one in ids],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(json.loads(options_to_json(options)))


def verify_assertion(assertion: Mapping[str, object], *, challenge: bytes, actor: Actor) -> tuple[Passkey, Assertion]:
    """`check_assertion`, and the passkey's counter is stored."""
    passkey, given, counted = check_assertion(assertion, challenge=challenge, actor=actor)
    if run(counted.statement) != 1:
        raise counted.failure
    return passkey, given


def check_assertion(
    assertion: Mapping[str, object], *, challenge: bytes, actor: Actor
) -> tuple[Passkey, Assertion, Change]:
    """For a signature (the JSON of the browser's `toJSON`) that the actor has just made here with a passkey of theirs:
    Invalid or Refusal for what a person can mend, else Tampered. It counts once the change is made, with what it is
    for: of two copies of one signature only the first finds the counter that it needs.
    """
    given = parse(assertion)
    owned = (one for one in _OF_USER(actor.id) if bytes(one.credential_id) == given.credential_id)
    passkey = next(owned, None)
    if passkey is None:
        raise Refusal("That passkey does not belong to your account.", code="unknown_passkey")
    check_genuine(passkey, passkey.leaves)  # type: ignore[attr-defined]  # annotated
    check_in_use(passkey)
    count, here = passkey.sign_count, {"origin": settings.ORIGIN, "rp_id": settings.RP_ID}
    try:
        proof = check_signature(passkey, given, challenge=challenge, count=count, **here)
    except ValueError as fault:
        raise Invalid(f"The passkey's signature cannot be used. {fault}", code="bad_signature") from fault
    counted = Statement(_COUNT, [proof.new_sign_count, proof.credential_backed_up, passkey.id, count])
    return passkey, given, Change(counted, Conflict("The passkey was used or removed a moment ago. Sign once more."))


def reverify(passkey: Passkey, assertion: Assertion, *, challenge: bytes, origin: str, rp_id: str) -> None:
    """Stored bytes once more, without the database. Raises Tampered; ask `check_genuine` about the row itself.

    Counters are not compared: later signatures have moved on.
    """
    try:
        check_signature(passkey, assertion, challenge=challenge, origin=origin, rp_id=rp_id, count=0)
    except ValueError as fault:
        raise Tampered(f"A stored signature by {passkey.id} does not verify: {fault}") from fault


def check_in_use(passkey: Passkey) -> None:
    if passkey.revoked_at is not None:
        day = passkey.revoked_at.strftime("%-d %B %Y")
        raise Refusal(f"This passkey was removed on {day}. Use another.", code="passkey_revoked")


def leaves_of(passkey: str) -> ArraySubquery:
    """To annotate with: what the log tells of the passkey whose id this field holds. For `check_genuine`."""
    told = Record.objects.filter(subject=OuterRef(passkey), kind__in=[Kind.PASSKEY_ENROLLED, Kind.PASSKEY_REVOKED])
    return ArraySubquery(told.order_by().values("leaf"))


def check_genuine(passkey: Passkey, leaves: Iterable[bytes | memoryview]) -> None:
    """Raises Tampered unless this row is what was enrolled here, by more than a browser's test authenticator, and the
    log agrees about its end."""
    if passkey.aaguid == VIRTUAL and not settings.ALLOW_VIRTUAL_AUTHENTICATORS:
        raise Tampered(f"{passkey.id} is of a browser's test authenticator, which anyone can make sign.")
    attest.verify("passkey", passkey.document(), bytes(passkey.attestation))
    told = [json.loads(bytes(leaf)) for leaf in leaves]
    if not any(tells_enrolment(leaf, passkey) for leaf in told):
        raise Tampered(f"The log does not tell that {passkey.id} was enrolled with this key.")
    revoked = any(leaf["action"] == Kind.PASSKEY_REVOKED and leaf["object"] == passkey.id for leaf in told)
    if revoked and passkey.revoked_at is None:
        raise Tampered(f"The log tells that {passkey.id} was revoked; the row does not.")


def tells_enrolment(leaf: Mapping[str, object], passkey: Passkey) -> bool:
    return (leaf["action"], leaf["object"], leaf["detail"]) == (Kind.PASSKEY_ENROLLED, passkey.id, enrolment(passkey))


def enrolment(passkey: Passkey) -> dict[str, object]:
    """What the log tells of an enrolment. Digests, because a leaf is for everyone and for good."""
    return {
        "user": passkey.user_id,
        "credential_id": passkey.credential_digest,
        "public_key": passkey.public_key_digest,
        "aaguid": str(passkey.aaguid),
        "alg": passkey.alg,
        "how": passkey.enrolled_how,
    }


def parse(assertion: Mapping[str, object]) -> Assertion:
    try:
        given = parse_authentication_credential_json(dict(assertion))
    except (WebAuthnException, ValueError, TypeError) as fault:
        raise Invalid("The passkey's answer is not in the form that browsers send.", code="bad_signature") from fault
    answer = given.response
    return Assertion(given.raw_id, answer.client_data_json, answer.authenticator_data, answer.signature)


def check_signature(
    passkey: Passkey, given: Assertion, *, challenge: bytes, origin: str, rp_id: str, count: int
) -> VerifiedAuthentication:
    """Pure. Raises ValueError saying what does not hold."""
    if given.credential_id != bytes(passkey.credential_id) or rp_id != passkey.rp_id:
        raise ValueError("It was made with another passkey.")
    try:
        proof = verify_authentication_response(
            credential=credential_of(given),
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            credential_public_key=bytes(passkey.public_key),
            credential_current_sign_count=count,
            require_user_verification=True,
        )
    except WebAuthnException as fault:
        raise ValueError(f"{fault}.") from fault
    check_same_page(given.client_data_json)
    return proof


def check_here(client_data_json: bytes) -> None:
    """For what only the sign-in library verifies. Raises ValueError."""
    if json.loads(client_data_json)["origin"] != settings.ORIGIN:
        raise ValueError("It was made at another address.")
    check_same_page(client_data_json)


def check_same_page(client_data_json: bytes) -> None:
    """The library reads crossOrigin and leaves it at that. In someone else's frame the signer saw what they drew."""
    client = json.loads(client_data_json)
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise ValueError("It was made inside a page of another site.")


def credential_of(given: Assertion) -> AuthenticationCredential:
    return AuthenticationCredential(
        id=bytes_to_base64url(given.credential_id),
        raw_id=given.credential_id,
        response=AuthenticatorAssertionResponse(
            client_data_json=given.client_data_json,
            authenticator_data=given.authenticator_data,
            signature=given.signature,
        ),
    )
