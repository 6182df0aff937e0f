"""How passkeys begin and end, and what the database keeps of them."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from audit.models import Record
from console.accounts.enrolment import enrol_passkey, revoke_passkey
from console.accounts.models import Passkey, User
from console.accounts.passkeys import VIRTUAL
from console.core.errors import Forbidden, Invalid
from tests.accounts.authenticator import UP, SoftAuthenticator
from tests.accounts.conftest import acting


@pytest.fixture
def passkey(ada: User, authenticator: SoftAuthenticator) -> Passkey:
    return authenticator.register(ada, acting(ada))


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_enrolment_is_recorded_by_digests(passkey: Passkey) -> None:
    entry = Record.objects.get(subject=passkey.id)
    assert json.loads(bytes(entry.leaf))["detail"] == {
        "user": passkey.user_id,
        "credential_id": passkey.credential_digest,
        "public_key": passkey.public_key_digest,
        "aaguid": str(uuid.UUID(int=0)),
        "alg": -7,
        "how": "test",
    }


def test_only_the_person_in_a_browser_enrols(ada: User, grace: User, authenticator: SoftAuthenticator) -> None:
    for actor in (acting(grace), acting(ada, auth="token")):
        with pytest.raises(Forbidden):
            authenticator.register(ada, actor)


ENROLMENTS: dict[str, Callable[[], SoftAuthenticator]] = {
    "nobody verified": lambda: SoftAuthenticator(flags=UP),
    "a virtual authenticator": lambda: SoftAuthenticator(aaguid=VIRTUAL),
}


@pytest.mark.parametrize("case", ENROLMENTS)
def test_weak_authenticator_is_not_enrolled(ada: User, settings: Any, case: str) -> None:
    settings.ALLOW_VIRTUAL_AUTHENTICATORS = False
    with pytest.raises(Invalid, match=r"cannot be added|test authenticator"):
        ENROLMENTS[case]().register(ada, acting(ada))
    assert Passkey.objects.count() == 0


def test_virtual_authenticator_is_enrolled_where_allowed(ada: User, settings: Any) -> None:
    settings.ALLOW_VIRTUAL_AUTHENTICATORS = True
    assert SoftAuthenticator(aaguid=VIRTUAL).register(ada, acting(ada)).aaguid == VIRTUAL


@pytest.mark.parametrize(
    "wrong", [{"origin": "http://localhost:1"}, {"extra": {"crossOrigin": True}}, {"extra": {"topOrigin": "a"}}]
)
def test_enrolment_from_elsewhere_is_refused(
    ada: User, authenticator: SoftAuthenticator, wrong: dict[str, Any]
) -> None:
    credential = authenticator.attest(b"c" * 32, **wrong)
    with pytest.raises(Invalid, match="cannot be added"):
        enrol_passkey(ada, credential, challenge=b"c" * 32, actor=acting(ada))


def test_a_credential_is_enrolled_once(ada: User, passkey: Passkey, authenticator: SoftAuthenticator) -> None:
    with pytest.raises(Invalid, match="before"):
        authenticator.register(ada, acting(ada))


def test_admin_revokes_what_a_member_lost(ada: User, grace: User, authenticator: SoftAuthenticator) -> None:
    passkey = authenticator.register(grace, acting(grace))
    revoked = revoke_passkey(passkey, why="phone stolen", actor=acting(ada))
    assert (revoked.revoked_by, revoked.revoked_why) == (ada.id, "phone stolen")


def test_reviewer_does_not_revoke_for_others(ada: User, grace: User, passkey: Passkey) -> None:
    with pytest.raises(Forbidden):
        revoke_passkey(passkey, why="", actor=acting(grace))


FROZEN = [
    "DELETE FROM accounts_passkey",
    "UPDATE accounts_passkey SET public_key = 'x'",
    "UPDATE accounts_passkey SET user_id = 'usr_other'",
    "UPDATE accounts_passkey SET enrolled_at = now()",
    "UPDATE accounts_passkey SET sign_count = -1",
]


@pytest.mark.parametrize("statement", [*FROZEN, "TRUNCATE accounts_passkey"])
def test_database_refuses_to_change_what_was_enrolled(passkey: Passkey, statement: str) -> None:
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match=r"never|only rises|permission denied"), transaction.atomic():
        run(statement)


def test_database_refuses_to_undo_a_revocation(ada: User, passkey: Passkey) -> None:
    revoke_passkey(passkey, why="", actor=acting(ada))
    with pytest.raises(DatabaseError, match="final"), transaction.atomic():
        run("UPDATE accounts_passkey SET revoked_at = NULL, revoked_by = ''")
