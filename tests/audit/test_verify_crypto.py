"""The verifier's own signatures: published vectors, edges, and agreement with `cryptography` on the rest."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from audit.verify import (
    ORDER,
    ORDER256,
    PURE,
    P,
    check_ed25519,
    check_p256,
    encode_point,
)


@contextmanager
def pure() -> Iterator[None]:
    os.environ[PURE] = "1"
    try:
        yield
    finally:
        del os.environ[PURE]


def both(check: Callable[[], bool]) -> bool:
    """What the verifier says, which is the same with the package and without."""
    fast = check()
    with pure():
        assert check() == fast
    return fast


def accepted(verify: Callable[[], object]) -> bool:
    try:
        verify()
    except (InvalidSignature, ValueError):
        return False
    return True


def flipped(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def little(number: int) -> bytes:
    return number.to_bytes(32, "little")


ANY_SEED, ANY_TEXT, ANY_BIT = st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 10_000)

# RFC 8032 §7.1: public key, message, signature
RFC_8032 = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize("vector", RFC_8032)
def test_ed25519_accepts_the_vectors_of_rfc_8032(vector: tuple[str, str, str]) -> None:
    key, message, signature = map(bytes.fromhex, vector)
    assert both(lambda: check_ed25519(key, message, signature))


@given(ANY_SEED, ANY_TEXT, ANY_BIT)
def test_ed25519_accepts_what_the_package_signs_and_nothing_next_to_it(seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert both(lambda: check_ed25519(key, message, signature))
    assert not both(lambda: check_ed25519(key, message + b"\0", signature))
    assert not both(lambda: check_ed25519(key, message, flipped(signature, bit)))
    assert not both(lambda: check_ed25519(flipped(key, bit), message, signature))


def test_ed25519_refuses_a_number_that_was_raised_by_the_order() -> None:
    key, message, signature = map(bytes.fromhex, RFC_8032[0])
    raised = int.from_bytes(signature[32:], "little") + ORDER
    assert not both(lambda: check_ed25519(key, message, signature[:32] + little(raised)))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_ed25519_refuses_signatures_and_keys_of_another_length(length: int) -> None:
    key, message, signature = map(bytes.fromhex, RFC_8032[0])
    assert not both(lambda: check_ed25519(key, message, (signature + b"\0")[:length]))
    assert not both(lambda: check_ed25519(key[:31], message, signature))


ZERO = encode_point((0, 1, 1, 0))
# Other ways to write the points (0, 1) and (0, -1), and one that is beyond the prime.
NOT_CANONICAL = [little(P + 1), little(1 | 1 << 255), little(P - 1 | 1 << 255), little(P), little(P + 1 | 1 << 255)]


@pytest.mark.parametrize("key", NOT_CANONICAL)
def test_ed25519_refuses_points_in_another_form_than_their_one(key: bytes) -> None:
    assert both(lambda: check_ed25519(ZERO, b"anything", ZERO + little(0)))
    assert not both(lambda: check_ed25519(key, b"anything", ZERO + little(0)))
    assert not both(lambda: check_ed25519(ZERO, b"anything", key + little(0)))


# The points of small order: a signature by such a key says nothing, and RFC 8032 does not refuse it.
SMALL = [bytes.fromhex(point) for point in (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)]  # fmt: skip


@pytest.mark.parametrize("point", SMALL)
@given(message=ANY_TEXT)
def test_ed25519_agrees_with_the_package_on_points_of_small_order(point: bytes, message: bytes) -> None:
    """The equation without cofactor: with it, more of these would pass."""
    for challenge in SMALL:
        signature = challenge + little(0)
        key = Ed25519PublicKey.from_public_bytes(point)
        theirs = accepted(partial(key.verify, signature, message))
        assert both(partial(check_ed25519, point, message, signature)) == theirs


# RFC 6979 §A.2.5
U = (0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
     0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299)  # fmt: skip
R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8


def test_p256_accepts_the_vector_of_rfc_6979_and_its_negative() -> None:
    assert both(lambda: check_p256(*U, b"sample", encode_dss_signature(R, S)))
    assert both(lambda: check_p256(*U, b"sample", encode_dss_signature(R, ORDER256 - S)))
    assert not both(lambda: check_p256(*U, b"test", encode_dss_signature(R, S)))


@pytest.mark.parametrize("numbers", [
    (0, 0), (0, S), (R, 0), (ORDER256, S), (R, ORDER256), (R, S + ORDER256), (R + ORDER256, S), (S, R),
    (1, 1), (ORDER256 - 1, 1), (1, ORDER256 - 1),
])  # fmt: skip
def test_p256_refuses_numbers_out_of_range_or_at_its_edges(numbers: tuple[int, int]) -> None:
    assert not both(lambda: check_p256(*U, b"sample", encode_dss_signature(*numbers)))


DER = encode_dss_signature(R, S)
ODD_DER = {
    "empty": b"", "trailing byte": DER + b"\0", "cut off": DER[:-1], "another tag": b"\x31" + DER[1:],
    "long length": b"\x30\x81" + DER[1:], "indefinite length": b"\x30\x80" + DER[2:] + b"\0\0",
    "length of what is not there": b"\x30" + bytes([DER[1] + 1]) + DER[2:],
    "a zero before a number": b"\x30" + bytes([DER[1] + 1]) + b"\x02\x22\0" + DER[4:],
    "three numbers": b"\x30" + bytes([DER[1] + 3]) + DER[2:] + b"\x02\x01\x01",
    "one number": b"\x30\x23" + DER[2:37], "an empty number": b"\x30" + bytes([DER[1] - 33]) + b"\x02\0" + DER[37:],
    "a negative number": b"\x30" + bytes([DER[1] - 1]) + b"\x02\x20" + DER[5:], "raw": R.to_bytes(32) + S.to_bytes(32),
}  # fmt: skip


@pytest.mark.parametrize("signature", ODD_DER.values(), ids=list(ODD_DER))
def test_p256_refuses_signatures_in_another_form_than_their_one(signature: bytes) -> None:
    assert both(lambda: check_p256(*U, b"sample", DER))
    assert not both(lambda: check_p256(*U, b"sample", signature))


@pytest.mark.parametrize("point", [(0, 0), (U[0], U[1] + 1), (U[0] + 1, U[1]), (U[1], U[0]), (-1, U[1]), (2**256, 0)])
def test_p256_refuses_points_that_are_not_on_the_curve(point: tuple[int, int]) -> None:
    assert not both(lambda: check_p256(*point, b"sample", DER))


@given(st.integers(1, ORDER256 - 1), ANY_TEXT, ANY_BIT)
def test_p256_accepts_what_the_package_signs_and_nothing_next_to_it(secret: int, message: bytes, bit: int) -> None:
    private = ec.derive_private_key(secret, ec.SECP256R1())
    point, signature = private.public_key().public_numbers(), private.sign(message, ec.ECDSA(SHA256()))
    assert both(lambda: check_p256(point.x, point.y, message, signature))
    assert not both(lambda: check_p256(point.x, point.y, message + b"\0", signature))
    odd = flipped(signature, bit)
    theirs = accepted(lambda: private.public_key().verify(odd, message, ec.ECDSA(SHA256())))
    assert both(lambda: check_p256(point.x, point.y, message, odd)) == theirs


@pytest.mark.parametrize("secret", [1, 2, 3, ORDER256 - 1, ORDER256 - 2, (ORDER256 + 1) // 2])
def test_p256_adds_rightly_where_the_key_is_near_the_base_point(secret: int) -> None:
    """Equal and opposite points meet in the sum, where incomplete formulas fail."""
    private = ec.derive_private_key(secret, ec.SECP256R1())
    point = private.public_key().public_numbers()
    for number in range(8):
        message = bytes([number])
        signature = private.sign(message, ec.ECDSA(SHA256()))
        assert both(partial(check_p256, point.x, point.y, message, signature))
