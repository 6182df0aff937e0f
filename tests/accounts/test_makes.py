"""For which model of authenticator its maker vouches, and what vouches for nothing."""

import json
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from django.test import Client

from console.accounts.makes import proven_model
from console.accounts.models import Passkey, User
from tests.accounts.authenticator import NAMELESS, SoftAuthenticator
from tests.accounts.conftest import acting
from tests.accounts.makers import MODEL, OTHER_MODEL, Maker
from tests.accounts.test_pages import add_passkey, confirm, fresh, options, sign_in

__all__ = ["fresh"]


def enrol(ada: User, maker: Maker | None, **of: Any) -> Passkey:
    return SoftAuthenticator(**{"aaguid": MODEL, **of}, maker=maker).register(ada, acting(ada))


@pytest.mark.parametrize("names", [MODEL, None])
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_maker_whose_certificate_was_given_vouches(ada: User, settings: Any, alg: str, names: Any) -> None:
    maker = Maker(names=names)
    settings.AUTHENTICATOR_ROOTS = f"Somebody else\n{Maker().root}\nOurs\n{maker.root}"
    passkey = enrol(ada, maker, alg=alg)
    assert proven_model(passkey) == proven_model(Passkey.objects.only("id").get()) == str(MODEL)


def test_nobody_vouches_where_no_certificate_was_given(ada: User, settings: Any) -> None:
    settings.AUTHENTICATOR_ROOTS = ""
    assert proven_model(enrol(ada, Maker())) == ""


@pytest.fixture
def trusted(settings: Any) -> Maker:
    maker = Maker()
    settings.AUTHENTICATOR_ROOTS = maker.root
    return maker


def test_nobody_vouches_for_what_says_nothing(ada: User, trusted: Maker) -> None:
    assert proven_model(enrol(ada, None)) == ""


def test_another_maker_vouches_for_nothing(ada: User, settings: Any, trusted: Maker) -> None:
    passkey = enrol(ada, Maker(names=MODEL, key=trusted.key))
    settings.AUTHENTICATOR_ROOTS = Maker().root
    assert proven_model(passkey) == ""


def test_a_certificate_vouches_for_its_own_model_alone(ada: User, trusted: Maker) -> None:
    assert proven_model(enrol(ada, trusted, aaguid=OTHER_MODEL)) == ""


def restated(change: Callable[[dict[str, Any]], object]) -> Callable[[Passkey], None]:
    def alter(passkey: Passkey) -> None:
        stated = cbor2.loads(bytes(passkey.attestation_object))
        change(stated)
        passkey.attestation_object = cbor2.dumps(stated)

    return alter


def other_model(passkey: Passkey) -> None:
    passkey.attestation_object = bytes(passkey.attestation_object).replace(MODEL.bytes, OTHER_MODEL.bytes)


def other_client(passkey: Passkey) -> None:
    told = json.loads(bytes(passkey.client_data_json))
    passkey.client_data_json = json.dumps(told | {"crossOrigin": True}).encode()


ALTERED: dict[str, Callable[[Passkey], object]] = {
    "another model in what was signed": other_model,
    "no certificate": restated(lambda one: one["attStmt"].pop("x5c")),
    "another form": restated(lambda one: one.update(fmt="none", attStmt={})),
    "a broken signature": restated(lambda one: one["attStmt"].update(sig=b"\x30\x00")),
    "rubbish": lambda passkey: setattr(passkey, "attestation_object", b"rubbish"),
    "a page of another site": other_client,
    "another passkey's key": lambda passkey: setattr(passkey, "public_key", SoftAuthenticator().public_key),
    "another passkey's id": lambda passkey: setattr(passkey, "credential_id", b"another"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_altered_bytes_prove_nothing(ada: User, trusted: Maker, what: str) -> None:
    passkey = enrol(ada, trusted)
    assert proven_model(passkey) == str(MODEL)
    ALTERED[what](passkey)
    assert proven_model(passkey) == ""


@pytest.mark.parametrize("given", [True, False])
def test_the_maker_is_asked_where_somebody_can_check_it(ada: User, settings: Any, given: bool) -> None:
    settings.AUTHENTICATOR_ROOTS = Maker().root if given else ""
    browser = Client(headers={"host": "localhost:8000"})
    sign_in(browser)
    confirm(browser)
    asked = options(browser.get("/account/passkeys/add/"))["creation_options"]["publicKey"]
    assert asked.get("attestation", "none") == ("direct" if given else "none")


def test_the_account_says_model_and_whether_it_stays(ada: User, trusted: Maker) -> None:
    browser = Client(headers={"host": "localhost:8000"})
    sign_in(browser)
    confirm(browser)
    assert add_passkey(browser, SoftAuthenticator(aaguid=MODEL, maker=trusted)).status_code == 302
    page = browser.get("/account/").content.decode()
    assert str(MODEL) in page
    assert "vouched for by its maker" in page
    assert "stays on its device" in page
    assert str(NAMELESS) not in page
