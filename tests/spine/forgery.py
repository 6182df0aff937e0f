"""Whole rows as the console would write them, made by somebody who has SQL and not its keys."""

import json
from typing import Any

from approvals.digests import decision_payload
from approvals.models import Decision, Review
from console.accounts.models import Passkey, User
from console.accounts.passkeys import challenge_for, enrolment, parse
from console.core.attest import attest
from console.core.sealing import Sealed, seal
from integrations.models import Credential
from tests.accounts.authenticator import SoftAuthenticator
from tests.spine.attacker import APP, DOOR, FORGED, Attacker, owner


def insert_passkey(sql: Attacker, key: SoftAuthenticator, user: User) -> Passkey:
    genuine = Passkey.objects.get(user=user)
    fields = {field.attname: getattr(genuine, field.attname) for field in Passkey._meta.fields}
    fields |= {"id": "pk_forged", "credential_id": key.credential_id, "public_key": key.public_key,
               "attestation": FORGED}  # fmt: skip
    with sql.together():
        sql.insert("accounts_passkey", **fields)
        forged = Passkey.objects.model(**fields)
        sql.record("accounts:passkey:enrolled", "pk_forged", **dict[str, Any](enrolment(forged)))
    return forged


def insert_decision(sql: Attacker, review: Review, level: str, *, attestation: bytes | None = FORGED,
                    passkey: Passkey | None = None, key: SoftAuthenticator | None = None) -> None:  # fmt: skip
    """A whole vote by Ana: decision, review approved, permit, and each with its record."""
    slot, ana = review.slots.get(), User.objects.get(username="ana")
    payload = decision_payload(review, verdict="approve", reason="", reviewer=ana.id, name=ana.name,
                               groups=["finance"])  # fmt: skip
    decision = Decision(id="dec_forged", slot=slot, payload=payload, level=level)
    values: dict[str, object] = {}
    if passkey and key:
        answer = parse(key.sign(challenge_for(payload)))
        values = {"passkey_id": passkey.id, "client_data_json": answer.client_data_json,
                  "authenticator_data": answer.authenticator_data, "signature": answer.signature}  # fmt: skip
    with sql.together():
        sql.insert("approvals_decision", id="dec_forged", review_id=review.id, slot_id=slot.id, reviewer_id=ana.id,
                   verdict="approve", level=level, reason="", payload=payload, nonce=json.loads(payload)["nonce"],
                   groups=["finance"], attestation=attestation or attest("decision", decision.attested()),
                   **values)  # fmt: skip
        sql.alter("UPDATE approvals_review SET state = 'approved', closed_at = now() WHERE id = %s", review.id)
        sql.record("approvals:review:approved", review.id, "approved")
        sql.record("approvals:decision:made", "dec_forged")
        sql.permit(review.action)


def seal_by_sql(sql: Attacker, sealed: Sealed, attestation: bytes) -> None:
    """As the owner of the table: to the product's roles the column is closed."""
    change = "UPDATE integrations_credential SET sealed = %s, wrapped = %s, attestation = %s WHERE name = 'billing key'"
    for role in (APP, DOOR):
        with Attacker(sql.database, role) as product, product.refused():
            product.run(change, sealed.content, sealed.wrapped, attestation)
    with owner(sql.database) as connection:
        connection.execute(change, [sealed.content, sealed.wrapped, attestation])


def wrap_by_sql(sql: Attacker) -> None:
    """A data key of one's own, wrapped to the door for the right place. The door's role may write it, and it opens
    nothing."""
    credential = Credential.objects.get()
    own = seal("sk_of_the_attacker", place=credential.place)
    with Attacker(sql.database, DOOR) as door:
        door.alter("UPDATE integrations_credential SET wrapped = %s", own.wrapped)
