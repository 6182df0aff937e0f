"""After a restore from a backup: two administrators sign that it was meant, and the log goes on in its next tree.

The signer remembers more of the log than an older copy of the database holds, so that nothing is signed any more. What
the two sign names both: the end that the signer knows, and what is here. The sequencer checks their signatures itself,
with the public halves of keys that it reads, and writes them into leaf 0 of the new tree.
"""

import datetime as dt
import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256

from django.conf import settings
from django.db import IntegrityError, transaction

from audit import trees
from audit.models import Record, Tree
from audit.move import inserting
from audit.record import record
from audit.verify import parse_checkpoint, parse_note
from audit.vocabulary import Kind
from console.accounts.models import Membership
from console.accounts.passkeys import Assertion, check_genuine, leaves_of, reverify, verify_assertion
from console.accounts.prepared import read_prepared, to_be_signed
from console.core import attest
from console.core.actor import Actor, Role, system
from console.core.canonical import jcs
from console.core.clock import iso, now
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from console.home.models import RestoreSignature

TAG = b"countersign/restore/v1\0"
TYPE = "countersign.restore"
MEANING = "I have looked: this older copy of the database was put back on purpose. The log goes on from here."
NEEDED = 2
GOOD_FOR = dt.timedelta(hours=24)  # so long the first signature waits for the second
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Statement:
    """The end of the log that the signer has signed, and what this database holds. Roots in hex."""

    before: str
    size: int
    root: str
    present: str
    present_size: int
    present_root: str

    @property
    def after(self) -> str:
        log, _, number = self.before.rpartition("/")
        return f"{log}/{int(number) + 1}"

    @property
    def lost(self) -> int | None:
        """Signed leaves that are not here; None when whole trees are gone."""
        return self.size - self.present_size if self.before == self.present else None


def statement_of(tree: Tree, note: str) -> Statement:
    signed = parse_checkpoint(parse_note(note).body)
    return Statement(signed.origin, signed.size, signed.root.hex(), tree.origin, tree.size, bytes(tree.root).hex())


def wanted() -> Statement | None:
    """What has to be signed now; None while the log goes on."""
    tree = trees.open_tree()
    return statement_of(tree, tree.remembered) if tree and tree.remembered else None


def prepare_restore(reason: str, *, actor: Actor) -> dict[str, object]:
    """For the browser: what to sign. Nothing is stored; the server knows its own payload again by its signature."""
    payload = _payload(_check_may_sign(actor), _checked(reason), actor)
    return to_be_signed("restore", payload, challenge=challenge_for(payload), user_id=actor.id)


def sign_restore(prepared: str, assertion: Mapping[str, object], *, actor: Actor) -> RestoreSignature:
    """Keeps one signature. The sequencer acts on two, a second later."""
    payload = read_prepared("restore", prepared)
    said = json.loads(payload)
    try:
        with transaction.atomic():
            statement = _check_may_sign(actor)
            if any(said[name] != value for name, value in _expected(statement, actor.id).items()):
                raise Conflict("The log has moved on since the page was opened. Open it again.")
            passkey, given = verify_assertion(assertion, challenge=challenge_for(payload), actor=actor)
            row = RestoreSignature(
                before=statement.before, payload=payload, nonce=said["nonce"], reviewer_id=actor.id, passkey=passkey,
                client_data_json=given.client_data_json, authenticator_data=given.authenticator_data,
                signature=given.signature,
            )  # fmt: skip
            row.attestation = attest.attest("restore", row.attested())
            detail = {**asdict(statement), "payload_digest": challenge_for(payload).hex(), "passkey": passkey.id}
            record(Kind.RESTORE_SIGNED, subject=row.id, actor=actor, detail=detail, personal={"name": actor.name},
                   change=inserting(row))  # fmt: skip
    except IntegrityError:
        raise Conflict("This signature was already counted.", code="already_signed") from None
    return row


def challenge_for(payload: bytes) -> bytes:
    return sha256(TAG + payload).digest()


def counted(statement: Statement) -> list[RestoreSignature]:
    """The signatures that hold, one of each person, the first first."""
    rows = RestoreSignature.objects.filter(before=statement.before).order_by("signed_at", "id")
    found: dict[str, RestoreSignature] = {}
    for row in rows.select_related("passkey").annotate(leaves=leaves_of("passkey_id")):
        if row.reviewer_id not in found and _counts(row, statement):
            found[row.reviewer_id] = row
    return list(found.values())


def agreed(tree: Tree, note: str) -> Mapping[str, object] | None:
    """For the sequencer: what leaf 0 of the next tree tells of the two who signed, so that outsiders can check it."""
    signatures = counted(statement_of(tree, note))[:NEEDED]
    return {"signatures": [_told(row) for row in signatures]} if len(signatures) == NEEDED else None


def _check_may_sign(actor: Actor) -> Statement:
    if not actor.interactive:
        raise Forbidden("Only a person in a browser session signs.", code="not_interactive")
    actor.require(Role.ADMIN)
    statement = wanted()
    if statement is None:
        raise Conflict("There is nothing to sign: the log goes on.", code="not_restored")
    if any(row.reviewer_id == actor.id for row in counted(statement)):
        raise Conflict("You have signed. Another admin has to sign as well.", code="already_signed")
    return statement


def _checked(reason: str) -> str:
    text = reason.strip()
    if not text:
        raise Invalid("Say why the backup was put back.", code="reason_needed")
    if len(text) > MAX_REASON:
        raise Invalid(f"Keep the reason under {MAX_REASON} characters.")
    return text


def _payload(statement: Statement, reason: str, actor: Actor) -> bytes:
    """Canonical bytes with a fresh nonce. They stand in the leaf, for everyone and for good."""
    moment = now()
    more = {"v": 1, "meaning": MEANING, "team": actor.team, "reason": reason, "nonce": secrets.token_hex(32),
            "iat": iso(moment), "exp": iso(moment + GOOD_FOR)}  # fmt: skip
    return jcs({**more, **_expected(statement, actor.id)})


def _expected(statement: Statement, reviewer: str) -> dict[str, object]:
    return {"type": TYPE, "after": statement.after, "reviewer": reviewer, **asdict(statement)}


def _counts(row: RestoreSignature, statement: Statement) -> bool:
    try:
        attest.verify("restore", row.attested(), bytes(row.attestation))
        said = json.loads(bytes(row.payload))
        if any(said[name] != value for name, value in _expected(statement, row.reviewer_id).items()):
            return False
        _check_signature(row)
        admin = _is_admin(row.reviewer_id, said["team"])
    except Tampered as tampering:
        _raise_alarm(row, tampering)
        return False
    return admin and row.passkey.revoked_at is None and said["exp"] > iso(now())


def _check_signature(row: RestoreSignature) -> None:
    passkey = row.passkey
    if passkey.user_id != row.reviewer_id:
        raise Tampered(f"{row.id} is signed with a passkey of somebody else.")
    check_genuine(passkey, row.leaves)  # type: ignore[attr-defined]  # annotated
    stored = Assertion(bytes(passkey.credential_id), bytes(row.client_data_json), bytes(row.authenticator_data),
                       bytes(row.signature))  # fmt: skip
    reverify(passkey, stored, challenge=challenge_for(bytes(row.payload)), origin=settings.ORIGIN,
             rp_id=settings.RP_ID)  # fmt: skip


def _is_admin(user_id: str, team: str) -> bool:
    """Now: who lost the role, or left, has not agreed."""
    membership = Membership.objects.filter(user=user_id, team=team, user__is_active=True).first()
    if membership is None:
        return False
    attest.verify("membership", membership.attested(), bytes(membership.attestation))
    return Role.ADMIN in membership.roles


def _raise_alarm(row: RestoreSignature, tampering: Tampered) -> None:
    """Once: the row is looked at each second."""
    if not Record.objects.of(row.id).filter(kind=Kind.ALARM_TAMPERED).exists():
        detail = {"what": str(tampering)[:500]}
        record(Kind.ALARM_TAMPERED, subject=row.id, actor=system("restore"), team="", detail=detail)


def _told(row: RestoreSignature) -> dict[str, str]:
    """Standard base64, as in `decisions.jsonl` of a bundle."""
    passkey = row.passkey
    return {
        "payload": _text(row.payload),
        "client_data_json": _text(row.client_data_json),
        "authenticator_data": _text(row.authenticator_data),
        "signature": _text(row.signature),
        "public_key": _text(passkey.public_key),
        "passkey": passkey.id,
        "origin": passkey.origin,
        "rp_id": passkey.rp_id,
    }


def _text(data: bytes | memoryview) -> str:
    return b64encode(bytes(data)).decode()
