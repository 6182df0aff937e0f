"""What the browser's verifier is made of, against Python's: hashes, trees, signatures, canonical JSON."""

import hashlib
import hmac
import json
import random
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from audit.verify import (
    ORDER,
    Mismatch,
    canonical,
    check_consistency,
    check_cose,
    check_ed25519,
    check_inclusion,
    encode_point,
    leaf_hash,
)
from tests.accounts.authenticator import SoftAuthenticator
from tests.audit.test_verify_crypto import NOT_CANONICAL, RFC_8032, flipped, little
from tests.audit.test_verify_in_javascript import NODE
from tests.audit.written import Grown

RUNNER = Path(__file__).with_name("answer.mjs")
pytestmark = pytest.mark.skipif(not NODE, reason="Node is not installed")
CHANCE = random.Random(8)
Ask = Callable[[list[list[Any]]], list[Any]]


def asking(place: Path) -> Ask:
    def asked(questions: list[list[Any]]) -> list[Any]:
        (place / "questions.json").write_text(json.dumps(questions, default=spelled))
        command = [NODE, "--no-warnings", str(RUNNER), str(place / "questions.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answers: list[Any] = json.loads(done.stdout)
        return answers

    return asked


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asking(tmp_path)


def spelled(value: Any) -> str:
    assert isinstance(value, bytes)
    return f"0x{value.hex()}"


def said(check: Callable[[], object]) -> Any:
    try:
        return check()
    except Mismatch as fault:
        return f"Mismatch: {fault}"


def test_hashes_of_every_length_are_those_of_the_library(ask: Ask) -> None:
    texts = [CHANCE.randbytes(length) for length in (*range(200), 1_000, 65_535)]
    keys = [CHANCE.randbytes(length) for length in range(0, 130, 13)]
    assert ask([["sha256", text] for text in texts]) == [hashlib.sha256(text).hexdigest() for text in texts]
    assert ask([["sha256", text[:7], text[7:80], text[80:]] for text in texts]) == ask(
        [["sha256", text] for text in texts]
    )
    assert ask([["leafHash", text] for text in texts]) == [leaf_hash(text).hex() for text in texts]
    assert ask([["hmac", key, b"message"] for key in keys]) == [
        hmac.digest(key, b"message", "sha256").hex() for key in keys
    ]
    assert ask([["crc32", text] for text in texts]) == [zlib.crc32(text) for text in texts]


def test_inclusion_is_judged_alike_for_right_and_wrong_proofs(ask: Ask) -> None:
    hashes = [leaf_hash(bytes([number])) for number in range(40)]
    questions = []
    for size in (1, 2, 3, 7, 8, 9, 31, 32, 33, 40):
        tree = Grown().grow(hashes[:size])
        for index in range(size):
            proof, root = tree.inclusion(index, size), tree.root()
            questions.append((index, size, hashes[index], proof, root))
            questions.append((index, size, hashes[index], proof[:-1], root))
            questions.append((index, size, hashes[index], [*proof, root], root))
            questions.append((index, size, hashes[index], [flipped(one, 9) for one in proof], root))
            questions.append((index + 1, size, hashes[index], proof, root))
    answers = ask([["checkInclusion", *one] for one in questions])
    assert answers == [said(lambda one=one: check_inclusion(*one)) for one in questions]  # type: ignore[misc]
    assert answers.count(None) >= 166


def test_consistency_is_judged_alike_for_right_and_wrong_proofs(ask: Ask) -> None:
    tree = Grown().grow(leaf_hash(bytes([number])) for number in range(40))
    questions = []
    for new in (1, 2, 3, 8, 31, 33, 40):
        for old in range(new + 2):
            proof = tree.consistency(old, new) if old <= new else []
            roots = tree.root(min(old, 40)), tree.root(new)
            questions.append((old, new, *roots, proof))
            questions.append((old, new, *roots, proof[:-1]))
            questions.append((old, new, *roots, [*proof, roots[0]]))
            questions.append((old, new, roots[0], roots[0], proof))
            questions.append((old, new, bytes(32), roots[1], proof))
    answers = ask([["checkConsistency", *one] for one in questions])
    assert answers == [said(lambda one=one: check_consistency(*one)) for one in questions]  # type: ignore[misc]


def test_ed25519_is_accepted_alike_by_the_browser_and_by_hand(ask: Ask) -> None:
    """`checkByHand` is what browsers without Ed25519 have."""
    zero = encode_point((0, 1, 1, 0))
    given = [tuple(map(bytes.fromhex, vector)) for vector in RFC_8032]
    for number in range(40):
        private, message = Ed25519PrivateKey.from_private_bytes(CHANCE.randbytes(32)), CHANCE.randbytes(number)
        key, signature = private.public_key().public_bytes_raw(), private.sign(message)
        raised = signature[:32] + little(int.from_bytes(signature[32:], "little") + ORDER)
        bit = CHANCE.randrange(500)
        wrong = flipped(signature, bit), raised
        given += [(one, message, signature) for one in (key, flipped(key, bit), key[:31])]
        given += [(key, message, one) for one in wrong] + [(key, message + b"\0", signature)]
    given += [(key, b"anything", zero + little(0)) for key in [zero, *NOT_CANONICAL]]
    expected = [check_ed25519(*one) for one in given]
    assert ask([["checkEd25519", *one] for one in given]) == expected
    whole = [one for one in given if len(one[0]) == 32 and int.from_bytes(one[2][32:], "little") < ORDER][: 4 * 40]
    assert ask([["checkByHand", *one] for one in whole]) == [check_ed25519(*one) for one in whole]
    assert expected.count(True) >= 43


def test_keys_of_passkeys_are_accepted_alike(ask: Ask) -> None:
    message, given = b"what was signed", []
    for alg in ("ES256", "EdDSA"):
        for _ in range(30):
            key = SoftAuthenticator(alg)
            signature, bit = key.signature(message), CHANCE.randrange(500)
            given += [(one, message, signature) for one in (key.public_key, flipped(key.public_key, bit))]
            given += [(key.public_key, message, flipped(signature, bit)), (key.public_key, b"another", signature)]
    private = rsa.generate_private_key(65537, 2048)
    numbers, signature = private.public_key().public_numbers(), private.sign(message, padding.PKCS1v15(), SHA256())
    modulus = numbers.n.to_bytes(256)
    keys = [
        {1: 3, 3: -257, -1: modulus, -2: b"\1\0\1"},
        {1: 3, 3: -257, -1: b"\0" + modulus, -2: b"\0\1\0\1"},
        {1: 3, 3: -257, -1: modulus, -2: b"\1"},
        {1: 3, 3: -257, -1: modulus[:200], -2: b"\1\0\1"},
        {1: 3, 3: -37, -1: modulus, -2: b"\1\0\1"},
        {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)},
    ]
    for cose in keys:
        given += [(cbor2.dumps(cose), message, one) for one in (signature, flipped(signature, 7), signature[1:], b"")]
    answers = ask([["checkCose", *one] for one in given])
    assert [plainly(one) for one in answers] == [plainly(said(lambda one=one: check_cose(*one))) for one in given]  # type: ignore[misc]
    assert answers.count(True) >= 62


def plainly(answer: Any) -> Any:
    return answer.partition(" (")[0] if isinstance(answer, str) else answer


@pytest.mark.parametrize("value", [
    None, True, 0, -0.0, 1.5, 1e21, 1e-7, 123456789012, "", "\u20ac$\u000f\nA'B\"\\\\\"/", "\U0001f600", [1, [2]], {},
    {"b": [], "a": {"\U0001f600": 1, "\ufb33": 2, "é": 3}},
])  # fmt: skip
def test_json_has_one_canonical_form(ask: Ask, value: object) -> None:
    assert ask([["canonical", {"json": {"value": value}}]]) == [canonical({"value": value})]
