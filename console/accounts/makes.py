"""Which model of authenticator holds a passkey, as its maker says: WebAuthn level 3 §8.2, attestation of the form
"packed". Of the other forms none lets a maker vouch for the model that is stated beside it."""

import json
import re
import uuid

from cryptography import x509
from django.conf import settings
from webauthn import verify_registration_response
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_attestation_object
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)

from console.accounts.models import Passkey
from console.accounts.passkeys import check_same_page

ENROLLED = ("attestation_object", "client_data_json", "origin")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_MODEL = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")  # id-fido-gen-ce-aaguid
_OCTETS = b"\x04\x10"  # DER: an OCTET STRING of 16 bytes


def roots() -> list[bytes]:
    """The makers' certificates that this installation trusts, each in PEM."""
    return [found.encode() for found in _CERTIFICATE.findall(settings.AUTHENTICATOR_ROOTS)]


def proven_model(passkey: Passkey) -> str:
    """The AAGUID, where a certificate that was given vouches for it; "" where none does. From the bytes of the
    enrolment alone, anew each time: the columns beside them prove nothing."""
    if passkey.get_deferred_fields() & set(ENROLLED):
        passkey.refresh_from_db(fields=ENROLLED)
    try:
        check_same_page(bytes(passkey.client_data_json))
        return str(_verified(passkey, roots()))
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return ""


def _verified(passkey: Passkey, trusted: list[bytes]) -> uuid.UUID:
    attested, client = bytes(passkey.attestation_object), bytes(passkey.client_data_json)
    statement = parse_attestation_object(attested)
    chain = statement.att_stmt.x5c
    if statement.fmt != AttestationFormat.PACKED or not chain or not trusted:  # the library would take any chain then
        raise ValueError("Nobody vouches for the model.")
    key = bytes(passkey.credential_id)
    answer = AuthenticatorAttestationResponse(client_data_json=client, attestation_object=attested)
    found = verify_registration_response(
        credential=RegistrationCredential(id=bytes_to_base64url(key), raw_id=key, response=answer),
        expected_challenge=base64url_to_bytes(json.loads(client)["challenge"]),
        expected_rp_id=passkey.rp_id,
        expected_origin=passkey.origin,
        require_user_verification=True,
        pem_root_certs_bytes_by_fmt={AttestationFormat.PACKED: trusted},
    )
    if (found.credential_id, found.credential_public_key) != (key, bytes(passkey.public_key)):
        raise ValueError("It is the enrolment of another passkey.")
    model = uuid.UUID(found.aaguid)
    _check_certificate(x509.load_der_x509_certificate(chain[0]), model)
    return model


def _check_certificate(certificate: x509.Certificate, model: uuid.UUID) -> None:
    """One that is for a model vouches for no other (§8.2.1)."""
    try:
        named = certificate.extensions.get_extension_for_oid(_MODEL).value
    except x509.ExtensionNotFound:
        return
    assert isinstance(named, x509.UnrecognizedExtension)
    if named.value != _OCTETS + model.bytes:
        raise ValueError("The certificate is for another model.")
