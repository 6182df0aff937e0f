"""Keys of passkeys as the verifier reads them, RSA, and canonical JSON: each against another implementation."""

from contextlib import suppress
from typing import Any

import cbor2
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from audit.verify import Mismatch, canonical, check_cose, check_rsa, read_cose
from tests.accounts.authenticator import SoftAuthenticator
from tests.audit.test_verify_crypto import ANY_BIT, ANY_TEXT, DER, U, both, flipped

RSA = rsa.generate_private_key(65537, 2048)
NUMBERS = RSA.public_key().public_numbers()


def signed_by_rsa(message: bytes, scheme: Any = None, digest: Any = None) -> bytes:
    return RSA.sign(message, scheme or padding.PKCS1v15(), digest or SHA256())


@given(ANY_TEXT, ANY_BIT)
def test_rsa_accepts_what_the_package_signs_and_nothing_next_to_it(message: bytes, bit: int) -> None:
    signature = signed_by_rsa(message)
    assert check_rsa(NUMBERS.n, NUMBERS.e, message, signature)
    assert not check_rsa(NUMBERS.n, NUMBERS.e, message + b"\0", signature)
    assert not check_rsa(NUMBERS.n, NUMBERS.e, message, flipped(signature, bit))


def raised(padded: bytes) -> bytes:
    """Signed as it is, without padding."""
    private = RSA.private_numbers()
    return pow(int.from_bytes(padded), private.d, NUMBERS.n).to_bytes(256)


def test_rsa_refuses_padding_that_only_looks_right() -> None:
    padded = pow(int.from_bytes(signed_by_rsa(b"m")), NUMBERS.e, NUMBERS.n).to_bytes(256)
    assert check_rsa(NUMBERS.n, NUMBERS.e, b"m", raised(padded))
    info = padded[-51:]
    short = b"\0\1" + b"\xff" * 8 + b"\0" + info
    forgeries = [short + b"\0" * (256 - len(short)), b"\0\2" + padded[2:], padded[:100] + b"\xfe" + padded[101:],
                 padded[:-51] + b"\0" + info[:-1]]  # fmt: skip
    assert not any(check_rsa(NUMBERS.n, NUMBERS.e, b"m", raised(one)) for one in forgeries)


def test_rsa_refuses_small_keys_long_signatures_and_other_schemes() -> None:
    signature = signed_by_rsa(b"m")
    assert not check_rsa(NUMBERS.n, NUMBERS.e, b"m", b"\0" + signature)
    assert not check_rsa(NUMBERS.n, NUMBERS.e, b"m", (int.from_bytes(signature) + NUMBERS.n).to_bytes(257))
    assert not check_rsa(NUMBERS.n, NUMBERS.e, b"m", signed_by_rsa(b"m", padding.PSS(padding.MGF1(SHA256()), 32)))
    assert not check_rsa(NUMBERS.n, 1, b"m", signature)
    assert not check_rsa(NUMBERS.n >> 1024, NUMBERS.e, b"m", signature)


def rsa_cose() -> bytes:
    return cbor2.dumps({1: 3, 3: -257, -1: NUMBERS.n.to_bytes(256), -2: NUMBERS.e.to_bytes(3)})


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256"])
def test_a_passkey_of_each_kind_is_read_and_checked(alg: str) -> None:
    if alg == "RS256":
        key, signature = rsa_cose(), signed_by_rsa(b"message")
    else:
        soft = SoftAuthenticator(alg)
        key, signature = soft.public_key, soft.signature(b"message")
    assert both(lambda: check_cose(key, b"message", signature))
    assert not both(lambda: check_cose(key, b"massage", signature))


KEY = {1: 2, 3: -7, -1: 1, -2: U[0].to_bytes(32), -3: U[1].to_bytes(32)}


@pytest.mark.parametrize("changed", [{3: -35}, {1: 1}, {-1: 2}, {-2: b"short"}, {-2: "text"}, {3: "ES256"}, {-3: None}])
def test_a_passkey_of_another_kind_is_not_checked_at_all(changed: dict[int, object]) -> None:
    assert check_cose(cbor2.dumps(KEY), b"sample", DER)
    with pytest.raises(Mismatch):
        check_cose(cbor2.dumps(KEY | changed), b"sample", DER)


@given(st.dictionaries(st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary(),
                       st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary(max_size=300)))  # fmt: skip
def test_maps_of_scalars_are_read_as_another_reader_reads_them(fields: dict[Any, Any]) -> None:
    assert read_cose(cbor2.dumps(fields)) == fields


@given(st.binary(max_size=100))
def test_no_bytes_make_the_reader_of_keys_fail_in_another_way(data: bytes) -> None:
    for one in (data, b"\xa5" + data):
        with suppress(Mismatch):
            assert read_cose(one) == cbor2.loads(one)


@pytest.mark.parametrize("data", [
    b"", b"\xa1", b"\xa1\x01", b"\x80", b"\xbf\xff", b"\xa1\x01\x02\x00", b"\xa1\x01\xf6", b"\xa2\x01\x02\x01\x03",
    b"\xa1\x01\x5f\x41\0\xff", b"\xa1\x01\x41", b"\xa1\x01\x1c",
])  # fmt: skip
def test_what_is_no_map_of_scalars_is_no_key(data: bytes) -> None:
    with pytest.raises(Mismatch, match="not a COSE key"):
        read_cose(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.floats(allow_nan=False,
                                                                                         allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(JSON)
def test_canonical_json_is_that_of_rfc_8785(value: Any) -> None:
    assert canonical(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize("number", [
    1e21, 1e20, 123456789012345680000.0, 1e-6, 1e-7, 1.5e-9, 333333333.33333329, 4.50, 2e-3, 1e30, 5e-324,
    1.7976931348623157e308, -0.0, 9007199254740994.0, 0.000001234,
])  # fmt: skip
def test_numbers_are_written_as_rfc_8785_says(number: float) -> None:
    assert canonical(number).encode() == rfc8785.dumps(number)


def test_what_is_no_number_has_no_canonical_form() -> None:
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            canonical(number)
