"""Signatures over decisions, and every way in which one must not count."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from console.accounts.enrolment import revoke_passkey
from console.accounts.models import Passkey, User
from console.accounts.passkeys import (
    VIRTUAL,
    Assertion,
    challenge_for,
    check_genuine,
    leaves_of,
    parse,
    reverify,
    signing_options,
    verify_assertion,
)
from console.core import attest
from console.core.errors import Invalid, Refusal, Tampered
from tests.accounts.authenticator import BE, BS, UP, UV, SoftAuthenticator
from tests.accounts.conftest import acting
from tests.services import services

CHALLENGE = challenge_for(b'{"decision":"approve"}')
OTHER = challenge_for(b'{"decision":"approve","amount":"9999"}')
HERE = {"origin": "http://localhost:8000", "rp_id": "localhost"}


@pytest.fixture(autouse=True)
def served_from_localhost(settings: Any) -> None:
    settings.ORIGIN, settings.RP_ID = HERE["origin"], HERE["rp_id"]


@pytest.fixture
def passkey(ada: User, authenticator: SoftAuthenticator) -> Passkey:
    return authenticator.register(ada, acting(ada))


def test_challenge_is_the_tagged_digest_of_the_payload() -> None:
    assert challenge_for(b"x").hex() == "08658f7e8b9d40ed50128463a3ba6fc99e9f1a9536ac44fa0531ca0808445e19"


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_good_signature_verifies_and_moves_the_counter(ada: User, alg: str) -> None:
    soft = SoftAuthenticator(alg, flags=UP | UV | BE | BS)
    passkey = soft.register(ada, acting(ada))
    found, proof = verify_assertion(soft.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(passkey.user))
    passkey.refresh_from_db()
    assert (found, proof.credential_id) == (passkey, soft.credential_id)
    assert (passkey.sign_count, passkey.backed_up, passkey.last_used_at is not None) == (1, True, True)


def test_stored_signature_verifies_again_after_later_ones(passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    _, stored = verify_assertion(authenticator.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(passkey.user))
    verify_assertion(authenticator.sign(OTHER), challenge=OTHER, actor=acting(passkey.user))
    passkey.refresh_from_db()
    reverify(passkey, stored, challenge=CHALLENGE, **HERE)
    assert passkey.sign_count == 2


def test_stored_signature_over_something_else_is_tampering(passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    _, stored = verify_assertion(authenticator.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(passkey.user))
    with pytest.raises(Tampered):
        reverify(passkey, stored, challenge=OTHER, **HERE)
    with pytest.raises(Tampered):
        reverify(passkey, stored, challenge=CHALLENGE, origin="https://evil.test", rp_id="localhost")
    with pytest.raises(Tampered):
        reverify(passkey, dataclasses.replace(stored, signature=b"\0" * 70), challenge=CHALLENGE, **HERE)
    with pytest.raises(Tampered):
        reverify(passkey, Assertion(b"other", b"{}", b"", b""), challenge=CHALLENGE, **HERE)


@pytest.mark.parametrize("extra", [{"crossOrigin": True}, {"topOrigin": "https://a.test"}])
def test_stored_signature_from_elsewhere_is_tampering(
    passkey: Passkey, authenticator: SoftAuthenticator, extra: dict[str, object]
) -> None:
    """Genuine, and of this passkey: only where it was made is wrong."""
    with pytest.raises(Tampered, match="another site"):
        reverify(passkey, parse(authenticator.sign(CHALLENGE, extra=extra)), challenge=CHALLENGE, **HERE)


Wrong = Callable[[SoftAuthenticator], dict[str, object]]
WRONG: dict[str, tuple[Wrong, str]] = {
    "another digest": (lambda soft: soft.sign(OTHER), "challenge"),
    "another origin": (lambda soft: soft.sign(CHALLENGE, "https://evil.test"), "origin"),
    "another port": (lambda soft: soft.sign(CHALLENGE, "http://localhost:8001"), "origin"),
    "another site's key": (lambda soft: soft.sign(CHALLENGE, rp_id="evil.test"), "RP ID"),
    "inside a frame": (lambda soft: soft.sign(CHALLENGE, extra={"crossOrigin": True}), "another site"),
    "a truthy crossOrigin": (lambda soft: soft.sign(CHALLENGE, extra={"crossOrigin": "no"}), "another site"),
    "a top origin": (lambda soft: soft.sign(CHALLENGE, extra={"topOrigin": "https://a.test"}), "another site"),
    "a registration": (lambda soft: soft.sign(CHALLENGE, extra={"type": "webauthn.create"}), "type"),
    "nobody present": (lambda soft: soft.sign(CHALLENGE, flags=UV), "present"),
    "nobody verified": (lambda soft: soft.sign(CHALLENGE, flags=UP), "verif"),
    "a broken signature": (lambda soft: broken(soft.sign(CHALLENGE)), "signature"),
    "nothing at all": (lambda soft: {}, "form"),
}


def broken(assertion: dict[str, Any]) -> dict[str, object]:
    assertion["response"]["signature"] = "AAAA" + assertion["response"]["signature"][4:]
    return assertion


@pytest.mark.parametrize("case", WRONG)
def test_wrong_signature_is_refused_and_changes_nothing(
    passkey: Passkey, authenticator: SoftAuthenticator, case: str
) -> None:
    make, reason = WRONG[case]
    with pytest.raises(Invalid, match=reason) as refusal:
        verify_assertion(make(authenticator), challenge=CHALLENGE, actor=acting(passkey.user))
    passkey.refresh_from_db()
    assert (refusal.value.code, passkey.sign_count, passkey.last_used_at) == ("bad_signature", 0, None)


def test_the_same_signature_counts_once(passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    assertion = authenticator.sign(CHALLENGE)
    verify_assertion(assertion, challenge=CHALLENGE, actor=acting(passkey.user))
    with pytest.raises(Invalid, match="sign count"):
        verify_assertion(assertion, challenge=CHALLENGE, actor=acting(passkey.user))


def test_counter_that_falls_to_zero_is_a_copy(passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    verify_assertion(authenticator.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(passkey.user))
    with pytest.raises(Invalid, match="sign count"):
        verify_assertion(authenticator.sign(OTHER, count=0), challenge=OTHER, actor=acting(passkey.user))


def test_synced_passkeys_stay_at_zero(passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    for challenge in (CHALLENGE, OTHER):
        verify_assertion(authenticator.sign(challenge, count=0), challenge=challenge, actor=acting(passkey.user))


def test_signature_of_another_passkey_is_refused(ada: User, passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    second = SoftAuthenticator()
    second.register(ada, acting(ada))
    named = {name: authenticator.sign(CHALLENGE)[name] for name in ("id", "rawId")}
    with pytest.raises(Invalid, match="signature"):
        verify_assertion(second.sign(CHALLENGE) | named, challenge=CHALLENGE, actor=acting(ada))


def test_passkey_signs_for_its_owner_only(grace: User, passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    with pytest.raises(Refusal, match="does not belong"):
        verify_assertion(authenticator.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(grace))


def test_revoked_passkey_signs_no_more(ada: User, passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    revoke_passkey(passkey, why="laptop lost", actor=acting(ada))
    with pytest.raises(Refusal, match="removed on"):
        verify_assertion(authenticator.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(passkey.user))
    with pytest.raises(Refusal, match="Add a passkey"):
        signing_options(ada.id, CHALLENGE)


def test_virtual_authenticator_that_was_enrolled_where_it_was_allowed_signs_no_more(ada: User, settings: Any) -> None:
    settings.ALLOW_VIRTUAL_AUTHENTICATORS = True
    soft = SoftAuthenticator(aaguid=VIRTUAL)
    passkey = soft.register(ada, acting(ada))
    verify_assertion(soft.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(ada))
    settings.ALLOW_VIRTUAL_AUTHENTICATORS = False
    with pytest.raises(Tampered, match="test authenticator"):
        verify_assertion(soft.sign(OTHER), challenge=OTHER, actor=acting(ada))
    row = Passkey.objects.annotate(leaves=leaves_of("pk")).get(pk=passkey.pk)
    with pytest.raises(Tampered, match="test authenticator"):
        check_genuine(row, row.leaves)


def test_options_name_the_persons_passkeys_and_ask_for_verification(ada: User, passkey: Passkey) -> None:
    options = signing_options(ada.id, CHALLENGE)
    assert (options["rpId"], options["userVerification"]) == ("localhost", "required")
    assert len(json.loads(json.dumps(options["allowCredentials"]))) == 1


Alter = Callable[..., object]


@pytest.fixture
def alter(committed: str) -> Iterator[Alter]:
    """SQL by somebody who has all of PostgreSQL: for them the triggers are only advice."""
    with services().superuser(committed) as superuser:
        superuser.execute("SET session_replication_role = replica")
        yield lambda sql, *values: superuser.execute(sql, values)


def test_key_altered_by_sql_is_tampering(alter: Alter, passkey: Passkey) -> None:
    thief = SoftAuthenticator()
    thief.credential_id = bytes(passkey.credential_id)
    alter("UPDATE accounts_passkey SET public_key = %s WHERE id = %s", thief.public_key, passkey.id)
    with pytest.raises(Tampered, match="signature"), transaction.atomic():
        verify_assertion(thief.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(passkey.user))


def test_passkey_handed_over_by_sql_is_tampering(
    alter: Alter, passkey: Passkey, grace: User, authenticator: SoftAuthenticator
) -> None:
    alter("UPDATE accounts_passkey SET user_id = %s WHERE id = %s", grace.id, passkey.id)
    with pytest.raises(Tampered), transaction.atomic():
        verify_assertion(authenticator.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(grace))


def test_revocation_undone_by_sql_is_tampering(
    alter: Alter, ada: User, passkey: Passkey, authenticator: SoftAuthenticator
) -> None:
    revoke_passkey(passkey, why="lost", actor=acting(ada))
    alter("UPDATE accounts_passkey SET revoked_at = NULL, revoked_by = '', revoked_why = '' WHERE id = %s", passkey.id)
    with pytest.raises(Tampered, match="revoked"), transaction.atomic():
        verify_assertion(authenticator.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(passkey.user))


def insert_copy(passkey: Passkey, **changes: object) -> Passkey:
    """A row that never went through enrolment."""
    for name, value in {"id": "pk_forged", "credential_id": b"forged", **changes}.items():
        setattr(passkey, name, value)
    passkey.save(force_insert=True)
    return passkey


def test_passkey_inserted_by_sql_is_tampering(passkey: Passkey) -> None:
    thief = SoftAuthenticator()
    forged = insert_copy(passkey, credential_id=thief.credential_id, public_key=thief.public_key)
    with pytest.raises(Tampered, match="signature"), transaction.atomic():
        verify_assertion(thief.sign(CHALLENGE), challenge=CHALLENGE, actor=acting(forged.user))


def test_passkey_the_log_does_not_tell_of_is_tampering(passkey: Passkey) -> None:
    forged = insert_copy(passkey)
    forged.attestation = attest.attest("passkey", forged.document())
    told = Passkey.objects.annotate(leaves=leaves_of("pk")).get(pk=forged.pk)
    with pytest.raises(Tampered, match="log"):
        check_genuine(forged, told.leaves)
