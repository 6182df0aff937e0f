#!/usr/bin/env python3
"""Checks an exported bundle of the log offline: `python3 verify.py BUNDLE`. One file, and nothing but Python 3.11.

The bundle is a ZIP or a directory. The formats are public: RFC 6962 trees, and C2SP's signed notes, checkpoints,
cosignatures and policies. Give `--key` or `--policy`, from somebody you trust, to know whose log it is; and `--state`
to be sure next time that nothing was rewritten in between.

Ends with 0 when nothing is wrong, with 1 when something is, with 2 when the bundle could not be read.
"""

from __future__ import annotations

import argparse
import binascii
import hmac
import json
import os
import re
import struct
import sys
import zipfile
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256, sha512
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

EMPTY = sha256().digest()
BLOCK = 256  # leaves that are folded level by level, which is faster than one by one

Node = tuple[int, int]  # (level, index): the complete subtree over the leaves from index · 2**level on


class Mismatch(Exception):
    """Something does not fit what it is checked against."""


class KeyNeeded(Mismatch):
    """It is signed by a key that nobody gave."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over 2**n leaf hashes."""
    while len(hashes) > 1:
        hashes = [sha256(b"\1" + hashes[i] + hashes[i + 1]).digest() for i in range(0, len(hashes), 2)]
    return hashes[0]


def cover(begin: int, end: int) -> Iterator[Node]:
    """The largest complete subtrees that together hold exactly the leaves [begin, end), from left to right."""
    while begin < end:
        aligned = (begin & -begin).bit_length() - 1 if begin else end.bit_length()
        level = min(aligned, (end - begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


class Frontier:
    """The complete subtrees over the leaves [0, end): all that appending needs to know."""

    def __init__(self) -> None:
        self.end = 0
        self.nodes: list[tuple[int, bytes]] = []  # (level, hash), from left to right

    def append(self, hashes: Sequence[bytes]) -> None:
        """Leaf hashes, in order."""
        done = 0
        while done < len(hashes):
            whole = self.end % BLOCK == 0 and len(hashes) - done >= BLOCK
            if whole:
                self.push(8, fold(hashes[done : done + BLOCK]))
            else:
                self.push(0, hashes[done])
            done += BLOCK if whole else 1

    def push(self, level: int, subtree: bytes) -> None:
        """The next complete subtree. Raises Mismatch where none of this level can begin."""
        if self.end % (1 << level):
            raise Mismatch(f"No subtree of level {level} begins at leaf {self.end}.")
        self.end += 1 << level
        nodes = self.nodes
        nodes.append((level, subtree))
        while len(nodes) > 1 and nodes[-2][0] == nodes[-1][0]:
            _, right = nodes.pop()
            level, left = nodes.pop()
            nodes.append((level + 1, node_hash(left, right)))

    @property
    def root(self) -> bytes:
        return join([digest for _, digest in self.nodes]) if self.nodes else EMPTY


def join(subtrees: Sequence[bytes]) -> bytes:
    """Of complete subtrees that grow smaller to the right, the root over all."""
    last = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        last = node_hash(left, last)
    return last


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 §2.1.3.2; `leaf` is the leaf's hash. Raises Mismatch."""
    if not 0 <= index < size:
        raise Mismatch(f"A tree of {size} leaves has no leaf {index}.")
    place, last, reached = index, size - 1, leaf
    for digest in proof:
        if last == 0:
            raise Mismatch("The inclusion proof is too long.")
        if place % 2 or place == last:
            reached = node_hash(digest, reached)
            while not (place % 2 or place == 0):
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, digest)
        place, last = place >> 1, last >> 1
    if last or reached != root:
        raise Mismatch("The inclusion proof does not lead to this root.")


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 §2.1.4.2: the tree of `old` leaves is the beginning of the one of `new`. Raises Mismatch."""
    if old > new:
        raise Mismatch(f"A tree of {old} leaves cannot grow into one of {new}.")
    if old == 0 or old == new:
        if proof or (old == new and old_root != new_root) or (old == 0 and old_root != EMPTY):
            raise Mismatch(f"Two different trees of {old} leaves.")
        return
    if not proof:
        raise Mismatch("The consistency proof is empty.")
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    place, last = old - 1, new - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for digest in path[1:]:
        if last == 0:
            raise Mismatch("The consistency proof is too long.")
        if place % 2 or place == last:
            before, after = node_hash(digest, before), node_hash(digest, after)
            while not (place % 2 or place == 0):
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, digest)
        place, last = place >> 1, last >> 1
    if last or before != old_root or after != new_root:
        raise Mismatch("The consistency proof does not lead from one tree to the other.")


def range_nodes(begin: int, end: int, size: int) -> tuple[list[Node], list[Node]]:
    """What has to come with the leaves [begin, end) to prove that they are all there is between these two indexes: the
    subtrees left of them and those right of them. Raises Mismatch."""
    if not 0 <= begin <= end <= size:
        raise Mismatch(f"[{begin}, {end}) is not a part of {size} leaves.")
    return list(cover(0, begin)), list(cover(end, size))


class RangeCheck:
    """The leaves of a range, as they come, between the two halves of its proof."""

    def __init__(self, begin: int, end: int, size: int, left: Sequence[bytes], right: Sequence[bytes]) -> None:
        before, behind = range_nodes(begin, end, size)
        if (len(before), len(behind)) != (len(left), len(right)):
            raise Mismatch("The range proof belongs to another range.")
        self.begin, self.end, self.size = begin, end, size
        self.behind = list(zip((level for level, _ in behind), right, strict=True))
        self.tree = Frontier()
        for (level, _), digest in zip(before, left, strict=True):
            self.tree.push(level, digest)

    def append(self, hashes: Sequence[bytes]) -> None:
        self.tree.append(hashes)

    def finish(self, root: bytes) -> None:
        """Raises Mismatch when a leaf is missing, was added or altered."""
        if self.tree.end != self.end:
            raise Mismatch(f"The range holds {self.tree.end - self.begin} leaves instead of {self.end - self.begin}.")
        for level, digest in self.behind:
            self.tree.push(level, digest)
        if self.tree.root != root:
            raise Mismatch("The leaves of the range do not lead to the root of the checkpoint.")


# Signed notes: c2sp.org/signed-note, c2sp.org/tlog-checkpoint and c2sp.org/tlog-cosignature

ED25519, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06
SIZES = {ED25519: (32, 64), COSIGNATURE: (32, 72), ML_DSA_44: (1312, 2428)}  # bytes of a key, of a signature
LARGEST_NOTE = 1_000_000
MOST_SIGNATURES = 100
NOT_CHECKED = "Only ML-DSA-44 keys have signed this checkpoint; to check them, the package cryptography is needed."
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


class Note(NamedTuple):
    body: str  # with its final newline
    lines: list[tuple[str, bytes, bytes]]  # name, key id, signature


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes
    body: str


class VKey(NamedTuple):
    """A verifier key: `<name>+<id>+<base64 of kind and key>`."""

    name: str
    id: bytes
    kind: int
    key: bytes

    @classmethod
    def parse(cls, text: str) -> VKey:
        """Raises Mismatch."""
        words = text.strip().split("+", 2)
        if len(words) != 3 or not is_name(words[0]):
            raise Mismatch(f"{text.strip()[:80]!r} is not a verifier key: NAME+ID+KEY.")
        material = unbase64(words[2])
        vkey = cls(words[0], key_id(words[0], material), material[0] if material else 0, material[1:])
        if vkey.kind not in SIZES or len(vkey.key) != SIZES[vkey.kind][0]:
            raise Mismatch(f"The verifier key of {vkey.name} is of a kind that this program does not know.")
        if vkey.id.hex() != words[1]:
            raise Mismatch(f"The verifier key of {vkey.name} is damaged: its id should be {vkey.id.hex()}.")
        return vkey

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.key).decode()}"


class Signers(NamedTuple):
    verified: dict[VKey, int | None]  # to the moment, in seconds since 1970, where the signature names one
    unchecked: list[VKey]  # there is a signature, and nothing to check it with here


def key_id(name: str, material: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + material).digest()[:4]


def is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


def unbase64(text: str) -> bytes:
    """Standard base64 in its one canonical form. Raises Mismatch."""
    try:
        found = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # also for text beyond ASCII
        found = None
    if found is None or b64encode(found).decode() != text:
        raise Mismatch(f"{text[:80]!r} is not base64.")
    return found


def parse_note(text: str) -> Note:
    """Raises Mismatch."""
    body, separator, signatures = text.rpartition("\n\n")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Mismatch("The note is not UTF-8.") from None
    if len(text) > LARGEST_NOTE or CONTROL.search(text):
        raise Mismatch("The note is too long, or holds control characters.")
    if not separator or not signatures.endswith("\n"):
        raise Mismatch("This is not a signed note: text, an empty line, and lines with signatures.")
    lines = signatures[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise Mismatch(f"The note has more than {MOST_SIGNATURES} signatures.")
    return Note(body + "\n", [parse_signature(line) for line in lines])


def parse_signature(line: str) -> tuple[str, bytes, bytes]:
    words = line.split(" ")
    if len(words) != 3 or words[0] != "—" or not is_name(words[1]):
        raise Mismatch(f"{line[:80]!r} is not a signature of a note.")
    signed = unbase64(words[2])
    if len(signed) < 5:
        raise Mismatch(f"The signature of {words[1]} is too short.")
    return words[1], signed[:4], signed[4:]


def parse_checkpoint(body: str) -> Checkpoint:
    """Raises Mismatch."""
    *lines, end = body.split("\n")
    if len(lines) < 3 or not all(lines) or end:
        raise Mismatch("This is not a checkpoint: origin, size and root, in a line each.")
    if not NUMBER.fullmatch(lines[1]) or int(lines[1]) >= 1 << 63:
        raise Mismatch(f"{lines[1][:80]!r} is not the size of a tree.")
    root = unbase64(lines[2])
    if len(root) != 32:
        raise Mismatch("The root of the checkpoint is not 32 bytes long.")
    return Checkpoint(lines[0], int(lines[1]), root, body)


def open_note(text: str, vkeys: Iterable[VKey]) -> tuple[Checkpoint, dict[str, int | None]]:
    """The checkpoint, and of each of the given keys that has signed it the name and the moment, if it told one.

    Raises Mismatch when a signature of a given key is wrong, or none of them has signed.
    """
    note = parse_note(text)
    signers = check_signatures(note, vkeys)
    if not signers.verified:
        raise Mismatch(NOT_CHECKED if signers.unchecked else "None of the given keys has signed this checkpoint.")
    names: dict[str, int | None] = {}
    for vkey, moment in signers.verified.items():
        names[vkey.name] = moment if names.get(vkey.name) is None else names[vkey.name]
    return parse_checkpoint(note.body), names


def check_signatures(note: Note, vkeys: Iterable[VKey]) -> Signers:
    """Signatures of other keys are ignored. Raises Mismatch for a wrong one of these."""
    known: dict[tuple[str, bytes], VKey] = {}
    for vkey in vkeys:
        if known.setdefault((vkey.name, vkey.id), vkey) != vkey:
            raise Mismatch(f"Two keys of {vkey.name} have the same id.")
    signers = Signers({}, [])
    for name, identity, signature in note.lines:
        if (found := known.get((name, identity))) is not None:
            valid, moment = check_signature(note.body, found, signature)
            if valid is False:
                raise Mismatch(f"The signature by {name} ({identity.hex()}) is wrong.")
            if valid is None:
                signers.unchecked.append(found)
            else:
                signers.verified.setdefault(found, moment)
    return signers


def check_signature(body: str, vkey: VKey, signature: bytes) -> tuple[bool | None, int | None]:
    """Whether it is right, or None when that cannot be checked here; and the moment that the signer tells."""
    if len(signature) != SIZES[vkey.kind][1]:
        return False, None
    if vkey.kind == ED25519:
        return check_ed25519(vkey.key, body.encode(), signature), None
    (moment,) = struct.unpack(">Q", signature[:8])
    if moment >= 1 << 63:
        return False, None
    if vkey.kind == COSIGNATURE:
        told = f"cosignature/v1\ntime {moment}\n{body}".encode()
        return check_ed25519(vkey.key, told, signature[8:]), moment
    return check_ml_dsa_44(vkey.key, cosigned_message(vkey.name, moment, body), signature[8:]), moment or None


def cosigned_message(cosigner: str, moment: int, body: str) -> bytes:
    checkpoint = parse_checkpoint(body)
    names = cosigner.encode(), checkpoint.origin.encode()
    if max(map(len, names)) > 255:
        raise Mismatch("A name of more than 255 bytes cannot be cosigned.")
    cosigned, origin = (bytes([len(name)]) + name for name in names)
    place = struct.pack(">QQ", 0, checkpoint.size)
    return b"subtree/v1\n\0" + cosigned + struct.pack(">Q", moment) + origin + place + checkpoint.root


# Signatures. The package `cryptography` is used where it is installed, for it is faster; what is accepted is the same.

PURE = "COUNTERSIGN_VERIFY_PURE"  # set in the environment: do without the package

T = TypeVar("T")


def with_package(name: str, verify: Callable[[Any], object]) -> bool | None:
    """Whether `verify` goes through with that module of the package. None where it is missing, or cannot do this."""
    if os.environ.get(PURE):
        return None
    try:
        exceptions = import_module("cryptography.exceptions")
        module = import_module(f"cryptography.hazmat.primitives.asymmetric.{name}")
    except ImportError:
        return None
    try:
        verify(module)
    except exceptions.UnsupportedAlgorithm:
        return None
    except (exceptions.InvalidSignature, ValueError):
        return False
    return True


def check_ml_dsa_44(key: bytes, message: bytes, signature: bytes) -> bool | None:
    """FIPS 204. None where this cannot be checked."""
    return with_package(
        "mldsa", lambda module: module.MLDSA44PublicKey.from_public_bytes(key).verify(signature, message)
    )


def multiply_both(add: Callable[[T, T], T], zero: T, first: tuple[int, T], second: tuple[int, T]) -> T:
    """The sum of two multiples of points. `add` has to be complete: also for equal points and zero."""
    (times, point), (others, other) = first, second
    choice, reached = (zero, point, other, add(point, other)), zero
    for bit in range(max(times.bit_length(), others.bit_length()) - 1, -1, -1):
        reached = add(reached, reached)
        if which := (times >> bit & 1) | (others >> bit & 1) << 1:
            reached = add(reached, choice[which])
    return reached


# Ed25519: RFC 8032 §5.1

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

EdwardsPoint = tuple[int, int, int, int]


def check_ed25519(key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032 §5.1.7, the equation without cofactor. Numbers and points in any but their one form are refused."""
    if len(key) != 32 or len(signature) != 64:
        return False
    challenge, answer = signature[:32], int.from_bytes(signature[32:], "little")
    if answer >= ORDER or not is_canonical(key):
        return False
    fast = with_package("ed25519", lambda m: m.Ed25519PublicKey.from_public_bytes(key).verify(signature, message))
    if fast is not None:
        return fast
    point = decode_point(key)
    if point is None:
        return False
    digest = int.from_bytes(sha512(challenge + key + message).digest(), "little") % ORDER
    x, y, z, t = point
    reached = multiply_both(edwards_add, (0, 1, 1, 0), (answer, BASE), (digest, (P - x, y, z, P - t)))
    return encode_point(reached) == challenge


def is_canonical(point: bytes) -> bool:
    """RFC 8032 §5.1.3 refuses y beyond the prime, and a sign of x = 0. The package does not."""
    y = int.from_bytes(point, "little")
    odd, y = y >> 255, y & (1 << 255) - 1
    return y < P and not (odd and y in {1, P - 1})


def edwards_add(p: EdwardsPoint, q: EdwardsPoint) -> EdwardsPoint:
    """RFC 8032 §5.1.4, extended coordinates."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * D * p[3] * q[3] % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode_point(data: bytes) -> EdwardsPoint | None:
    """RFC 8032 §5.1.3, of canonical data."""
    y = int.from_bytes(data, "little")
    odd, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    x = P - x if x % 2 != odd else x
    return x, y, 1, x * y % P


def encode_point(point: EdwardsPoint) -> bytes:
    x, y, z, _ = point
    shrink = pow(z, -1, P)
    return (y * shrink % P | (x * shrink % P & 1) << 255).to_bytes(32, "little")


BASE: EdwardsPoint = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or (0, 0, 0, 0)


# ECDSA over P-256 with SHA-256: FIPS 186-5 §6.4.2

P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
BASE256 = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)

ProjectivePoint = tuple[int, int, int]


def check_p256(x: int, y: int, message: bytes, signature: bytes) -> bool:
    """`signature` is DER, in its one form."""
    numbers = read_der_pair(signature)
    if numbers is None or not all(0 < number < ORDER256 for number in numbers):
        return False
    if not (0 <= x < P256 and 0 <= y < P256) or (y * y - x * x * x + 3 * x - B256) % P256:
        return False
    fast = with_package("ec", lambda m: verify_p256(m, x, y, message, signature))
    if fast is not None:
        return fast
    r, s = numbers
    digest, inverse = int.from_bytes(sha256(message).digest(), "big"), pow(s, -1, ORDER256)
    times, others = digest * inverse % ORDER256, r * inverse % ORDER256
    reached = multiply_both(p256_add, (0, 1, 0), (times, BASE256), (others, (x, y, 1)))
    return bool(reached[2]) and reached[0] * pow(reached[2], -1, P256) % P256 % ORDER256 == r


def verify_p256(module: Any, x: int, y: int, message: bytes, signature: bytes) -> None:
    hashes = import_module("cryptography.hazmat.primitives.hashes")
    key = module.EllipticCurvePublicNumbers(x, y, module.SECP256R1()).public_key()
    key.verify(signature, message, module.ECDSA(hashes.SHA256()))


def p256_add(p: ProjectivePoint, q: ProjectivePoint) -> ProjectivePoint:
    """Renes, Costello and Batina, eprint 2015/1060, algorithm 4: complete, (0 : 1 : 0) is zero."""
    xx, yy, zz = p[0] * q[0] % P256, p[1] * q[1] % P256, p[2] * q[2] % P256
    xy = (p[0] + p[1]) * (q[0] + q[1]) - xx - yy
    yz = (p[1] + p[2]) * (q[1] + q[2]) - yy - zz
    xz = (p[0] + p[2]) * (q[0] + q[2]) - xx - zz
    a, b, c = 3 * (xz - B256 * zz), 3 * (B256 * xz - 3 * zz - xx) % P256, 3 * (xx - zz)
    minus, plus = (yy - a) % P256, (yy + a) % P256
    return (xy * plus - yz * b) % P256, (plus * minus + c * b) % P256, (yz * minus + xy * c) % P256


def read_der_pair(data: bytes) -> tuple[int, int] | None:
    """SEQUENCE of two non-negative INTEGERs, each as short as it can be: all that this length of signature needs."""
    if len(data) < 8 or len(data) > 72 or data[0] != 0x30 or data[1] != len(data) - 2:
        return None
    numbers, at = [], 2
    while at < len(data) - 1:
        body = data[at + 2 : at + 2 + data[at + 1]]
        if data[at] != 2 or len(body) != data[at + 1] or not body or body[0] > 127:
            return None
        if body[0] == 0 and body[1:2] < b"\x80" and len(body) > 1:
            return None
        numbers.append(int.from_bytes(body, "big"))
        at += 2 + len(body)
    return (numbers[0], numbers[1]) if len(numbers) == 2 and at == len(data) else None


# RSASSA-PKCS1-v1_5 with SHA-256: RFC 8017 §8.2.2

SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def check_rsa(modulus: int, exponent: int, message: bytes, signature: bytes) -> bool:
    """Moduli of 2048 to 8192 bits. The padding is built and compared, not read."""
    length = (modulus.bit_length() + 7) // 8
    sound = 2048 <= modulus.bit_length() <= 8192 and modulus % 2 and exponent % 2 and 3 <= exponent < 1 << 33
    number = int.from_bytes(signature, "big")
    if not sound or len(signature) != length or number >= modulus:
        return False
    said = SHA256_INFO + sha256(message).digest()
    padded = b"\0\1" + b"\xff" * (length - 3 - len(said)) + b"\0" + said
    return pow(number, exponent, modulus) == int.from_bytes(padded, "big")


# Keys of passkeys: COSE, RFC 9053 §7

CoseKey = dict[int | str | bytes, int | str | bytes]


def check_cose(key: bytes, message: bytes, signature: bytes) -> bool:
    """Raises Mismatch for a key of a kind that cannot be checked here."""
    fields = read_cose(key)
    match [fields.get(label) for label in (1, 3, -1, -2, -3)]:
        case [1, -8, 6, bytes(point), None]:
            return check_ed25519(point, message, signature)
        case [2, -7, 1, bytes(x), bytes(y)] if len(x) == len(y) == 32:
            return check_p256(int.from_bytes(x, "big"), int.from_bytes(y, "big"), message, signature)
        case [3, -257, bytes(modulus), bytes(exponent), None]:
            numbers = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
            return check_rsa(*numbers, message, signature)
    raise Mismatch(f"This program cannot check signatures by a key of this kind (COSE algorithm {fields.get(3)!r}).")


def read_cose(data: bytes) -> CoseKey:
    """One CBOR map (RFC 8949) of integers, texts and byte strings, which is all that these keys are made of."""
    try:
        kind, count, at = read_head(data, 0)
        fields: CoseKey = {}
        for _ in range(count if kind == 5 else -1):
            label, at = read_scalar(data, at)
            if label in fields:
                raise ValueError
            fields[label], at = read_scalar(data, at)
    except (ValueError, IndexError):
        raise Mismatch("The public key is not a COSE key.") from None
    if kind != 5 or at != len(data):
        raise Mismatch("The public key is not a COSE key.")
    return fields


def read_scalar(data: bytes, at: int) -> tuple[int | str | bytes, int]:
    kind, number, at = read_head(data, at)
    if kind in {0, 1}:
        return (number if kind == 0 else -1 - number), at
    text, end = data[at : at + number], at + number
    if kind not in {2, 3} or end > len(data):
        raise ValueError
    return (text if kind == 2 else text.decode()), end


def read_head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument, and where what follows begins."""
    kind, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return kind, short, at + 1
    end = at + 1 + (1 << (short - 24))
    if short > 27 or end > len(data):
        raise ValueError
    return kind, int.from_bytes(data[at + 1 : end], "big"), end


# Policies of trust, as in c2sp.org/tlog-policy


class Policy(NamedTuple):
    logs: list[VKey]
    witnesses: dict[str, VKey]
    groups: dict[str, tuple[int, list[str]]]  # how many of whom
    quorum: str

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Raises Mismatch."""
        policy, quorums = cls([], {}, {}, ""), list[str]()
        if CONTROL.search(text.replace("\t", "")):
            raise Mismatch("A policy holds no control characters but tabs and newlines.")
        for number, line in enumerate(text.split("\n"), 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            try:
                if words and not words[0].startswith("#"):
                    policy.read(words, quorums)
            except Mismatch as fault:
                raise Mismatch(f"Line {number} of the policy: {fault}") from None
        if len(quorums) != 1:
            raise Mismatch("A policy has exactly one line `quorum`.")
        return policy._replace(quorum=quorums[0])

    def read(self, words: list[str], quorums: list[str]) -> None:
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self.logs.append(policy_key(vkey, {ED25519, ML_DSA_44}, self.logs))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self.check_new(name)
                self.witnesses[name] = policy_key(vkey, {COSIGNATURE, ML_DSA_44}, self.witnesses.values())
            case ["group", name, some, *members] if members:
                self.check_new(name)
                self.groups[name] = self.how_many(some, members), members
            case ["quorum", name] if name == "none" or name in self.names:
                quorums.append(name)
            case _:
                raise Mismatch(f"`{' '.join(words)[:80]}` says nothing that this program understands.")

    @property
    def names(self) -> set[str]:
        return {*self.witnesses, *self.groups}

    def check_new(self, name: str) -> None:
        if name == "none" or name in self.names:
            raise Mismatch(f"The name {name} is taken.")

    def how_many(self, some: str, members: list[str]) -> int:
        if len(set(members)) != len(members) or not self.names.issuperset(members):
            raise Mismatch("Members of a group are defined above it, and are listed once.")
        counted = {"any": 1, "all": len(members)}.get(some) or (int(some) if NUMBER.fullmatch(some) else 0)
        if not 1 <= counted <= len(members):
            raise Mismatch(f"A group of {len(members)} cannot ask for {some}.")
        return counted

    def satisfied(self, cosigners: Iterable[VKey]) -> bool:
        done = {name for name, vkey in self.witnesses.items() if vkey in set(cosigners)}
        for name, (count, members) in self.groups.items():  # members are defined before their group
            if len(done.intersection(members)) >= count:
                done.add(name)
        return self.quorum == "none" or self.quorum in done


def policy_key(text: str, kinds: set[int], taken: Iterable[VKey]) -> VKey:
    vkey = VKey.parse(text)
    if vkey.kind not in kinds:
        raise Mismatch(f"The key of {vkey.name} is not of a kind for this.")
    if any(other.key == vkey.key for other in taken):
        raise Mismatch(f"The key of {vkey.name} is listed twice.")
    return vkey


# Canonical JSON: RFC 8785

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def canonical(value: object) -> str:
    """Raises ValueError for what has no canonical form."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{ENCODER.encode(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return canonical_number(value) if isinstance(value, float) else ENCODER.encode(value)


def canonical_number(value: float) -> str:
    """As ECMAScript writes it: ECMA-262, Number::toString."""
    if not value:
        return "0"
    sign, given, exponent = Decimal(repr(value)).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} has no place in JSON.")
    digits = "".join(map(str, given)).rstrip("0")
    point = len(given) + exponent
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1:+d}"
    return "-" * sign + text


# Where a bundle is read from

FORMAT = "countersign-bundle/1"
MANIFEST, LEAVES, INDEXES, HASHES = "manifest.json", "leaves.jsonl", "indexes.txt", "hashes.bin"
DECISIONS, DISCLOSURES = "decisions.jsonl", "disclosures.jsonl"
REQUIRED = {LEAVES, "range-proof.txt", "checkpoint"}
LEFT_BY_DESKTOPS = {".DS_Store", "Thumbs.db", "desktop.ini"}
AT_ONCE = 1 << 20  # bytes
LARGEST_TEXT = 1 << 26
LONGEST_LEAF = 65_535
LONGEST_LINE = 1 << 20
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)


class Unreadable(Exception):
    """What was given cannot be read as a bundle at all."""


class Source:
    """The files of a bundle, in a directory or a ZIP."""

    def __init__(self, path: Path) -> None:
        self.archive: zipfile.ZipFile | None = None
        if path.is_dir():
            self.folder = path
            files = [file for file in path.rglob("*") if not file.is_dir() and file.name not in LEFT_BY_DESKTOPS]
            listed = [file.relative_to(path).as_posix() for file in files]
        else:
            try:
                self.archive = zipfile.ZipFile(path)
            except DAMAGED as fault:
                raise Unreadable(f"{path} is neither a directory nor a whole ZIP file ({fault}).") from None
            listed = [one.filename for one in self.archive.infolist() if not one.is_dir() and is_plain(one, path)]
        self.names = set(listed)
        if len(listed) != len(self.names):
            raise Unreadable(f"{path} holds two files of one name.")

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Raises Mismatch for a file that is missing, or damaged in the archive."""
        if name not in self.names:
            raise Mismatch(f"{name} is missing.")
        try:
            with self.archive.open(name) if self.archive else (self.folder / name).open("rb") as file:
                yield file
        except DAMAGED as fault:
            raise Mismatch(f"{name} is damaged: {fault}") from None

    def text(self, name: str) -> str:
        with self.open(name) as file:
            data = file.read(LARGEST_TEXT + 1)
        if len(data) > LARGEST_TEXT:
            raise Mismatch(f"{name} is too large.")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Mismatch(f"{name} is not UTF-8.") from None

    def lines(self, name: str) -> Iterator[bytes]:
        """Without their newlines."""
        with self.open(name) as file:
            while line := file.readline(LONGEST_LINE + 1):
                if not line.endswith(b"\n"):
                    raise Mismatch(f"A line of {name} is too long, or the last one is cut off.")
                yield line[:-1]

    def documents(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The JSON objects of a file with one in each line, with the number of the line."""
        for number, line in enumerate(self.lines(name), 1):
            yield number, json_object(line, f"Line {number} of {name}")

    def digest(self, name: str) -> tuple[int, str]:
        size, digest = 0, sha256()
        with self.open(name) as file:
            while data := file.read(AT_ONCE):
                size += len(data)
                digest.update(data)
        return size, digest.hexdigest()


def is_plain(entry: zipfile.ZipInfo, path: Path) -> bool:
    if entry.flag_bits & 1 or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Unreadable(f"{entry.filename} in {path} is encrypted, or compressed in an unusual way.")
    return True


def json_object(data: bytes, what: str) -> dict[str, Any]:
    """Raises Mismatch."""
    try:
        found = json.loads(data.decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Mismatch(f"{what} is not a JSON object.")
    return found


class Chunk(NamedTuple):
    begin: int
    end: int
    bytes: int
    sha256: str


class Manifest(NamedTuple):
    origin: str
    begin: int
    end: int
    size: int
    records: int
    filter: dict[str, Any]
    files: dict[str, tuple[int, str]]  # bytes, SHA-256
    chunks: list[Chunk]
    told: dict[str, Any]

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Raises Unreadable."""
        try:
            told = json_object(data, MANIFEST)
            if told["format"] != FORMAT:
                raise Unreadable(f"This program reads {FORMAT}, and this bundle is {told['format']!r:.80}.")
            files = {str(name): (int(one["bytes"]), str(one["sha256"])) for name, one in told["files"].items()}
            chunks = [Chunk(*(one[name] for name in Chunk._fields)) for one in told.get("chunks", [])]
            begin, end, size, records = (int(told[name]) for name in ("begin", "end", "size", "records"))
            origin, chosen = str(told["origin"]), dict(told["filter"])
            canonical(chosen)
            return cls(origin, begin, end, size, records, chosen, files, chunks, told)
        except (Mismatch, KeyError, TypeError, ValueError, AttributeError, RecursionError) as fault:
            raise Unreadable(f"{MANIFEST} is not the manifest of a bundle ({type(fault).__name__}: {fault}).") from None

    @property
    def log(self) -> str:
        return self.origin.rpartition("/")[0]


# Leaves, in blocks: the part that has to be fast

DECIDED, ERASED, REVOKED, ENROLLED, RESTORED, PRUNED = (
    "approvals:decision:made", "audit:disclosure:erased", "accounts:passkey:revoked", "accounts:passkey:enrolled",
    "audit:log:restored", "audit:retention:pruned",
)  # fmt: skip
WANTED = frozenset({DECIDED, ERASED, REVOKED, RESTORED, PRUNED})


class Remarkable(NamedTuple):
    """Of a leaf that other files of the bundle speak about, what is needed later."""

    line: int  # within its block
    id: str
    commitments: dict[str, str]
    leaf: bytes  # empty for one that is remarkable for its commitments only


class Examined(NamedTuple):
    hashes: list[bytes]
    remarkable: list[Remarkable]
    fault: tuple[int, str, str] | None  # line, id where known, what is wrong


def refuse(text: str) -> object:
    raise ValueError(f"{text} has no place in a record")


STRICT = json.JSONDecoder(parse_constant=refuse)
STRICTER = json.JSONDecoder(parse_constant=refuse, parse_float=refuse)


def examine(block: bytes, log: str, lint: bool = False) -> Examined:
    """Whole lines. The hashes of all, and what is wrong with the first that is no record of this log."""
    lines = block[:-1].split(b"\n")
    hashes = [sha256(b"\0" + line).digest() for line in lines]
    scan: Callable[[str, int], tuple[Any, int]] = (STRICTER if lint else STRICT).scan_once  # type: ignore[attr-defined]
    remarkable, fault = list[Remarkable](), None
    for number, line in enumerate(lines):
        leaf = None
        try:
            text = line.decode()
            leaf, end = scan(text, 0)
            if end != len(text) or leaf["log"] != log or len(line) > LONGEST_LEAF:
                raise ValueError
            if leaf["c"] or leaf["action"] in WANTED:
                wanted = line if leaf["action"] in WANTED else b""
                remarkable.append(Remarkable(number, id_of(leaf), dict(leaf["c"]), wanted))
            if lint and canonical(leaf) != text:
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError) as cause:
            fault = fault or (number, id_of(leaf), what_is_wrong(leaf, line, log, cause))
    return Examined(hashes, remarkable, fault)


def id_of(leaf: object) -> str:
    identity = leaf.get("id") if isinstance(leaf, dict) else None
    return identity[:64] if isinstance(identity, str) else ""


def what_is_wrong(leaf: object, line: bytes, log: str, cause: Exception) -> str:
    if len(line) > LONGEST_LEAF:
        return f"is longer than {LONGEST_LEAF:,} bytes"
    if not isinstance(leaf, dict):
        return "is not JSON" if isinstance(cause, StopIteration) or not str(cause) else f"is not JSON ({cause})"
    if isinstance(cause, KeyError | TypeError | AttributeError):
        return "does not have the fields of a record"
    if leaf.get("log") != log:
        return f"belongs to the log {leaf.get('log')!r:.80}, not to {log!r}"
    return "is not written in canonical JSON"


class Ledger:
    """Of bytes that pass by: how many, and their digest."""

    def __init__(self) -> None:
        self.size, self.digest = 0, sha256()

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)


def blocks(file: IO[bytes], ledger: Ledger) -> Iterator[bytes]:
    """Whole lines, about a megabyte of them at once. Raises Mismatch for a line without an end."""
    rest = b""
    while data := file.read(AT_ONCE):
        ledger.update(data)
        whole, newline, rest_of = data.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = rest_of
        else:
            rest += data
        if len(rest) > LONGEST_LINE:
            raise Mismatch(f"A line of {LEAVES} is longer than {LONGEST_LINE:,} bytes.")
    if rest:
        raise Mismatch(f"The last line of {LEAVES} is cut off.")


def examined(found: Iterator[bytes], log: str, lint: bool, jobs: int) -> Iterator[Examined]:
    """In order. With several jobs, a few blocks are on their way at a time."""
    if jobs <= 1:
        yield from (examine(block, log, lint) for block in found)
        return
    with import_module("concurrent.futures").ProcessPoolExecutor(jobs) as pool:  # dear to load: only where it is used
        waiting = deque(pool.submit(examine, one, log, lint) for one in islice(found, 2 * jobs))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(examine, one, log, lint) for one in islice(found, 1))


class Range:
    """Leaf hashes as they come, handed on to the proof in whole blocks, with the roots at some sizes taken down."""

    def __init__(self, proof: RangeCheck, sizes: Iterable[int]) -> None:
        self.proof, self.waiting = proof, list[bytes]()
        self.sizes = sorted(size for size in sizes if proof.begin <= size <= proof.end)
        self.roots: dict[int, bytes] = {}
        self.take_down()

    @property
    def reached(self) -> int:
        return self.proof.tree.end + len(self.waiting)

    def append(self, hashes: list[bytes]) -> None:
        self.waiting += hashes
        while self.sizes and self.sizes[0] <= self.reached:
            self.hand_on(self.sizes[0] - self.proof.tree.end)
            self.take_down()
        self.hand_on(len(self.waiting) - self.reached % BLOCK)

    def hand_on(self, count: int) -> None:
        if count > 0:
            self.proof.append(self.waiting[:count])
            del self.waiting[:count]

    def take_down(self) -> None:
        if self.sizes and self.sizes[0] == self.proof.tree.end:
            self.roots[self.sizes.pop(0)] = self.proof.tree.root

    def finish(self, root: bytes) -> None:
        self.hand_on(len(self.waiting))
        self.proof.finish(root)


class KnownHashes:
    """`hashes.bin`: what every leaf of the range hashes to, also of those that are not in the bundle."""

    def __init__(self, file: IO[bytes], known: Range) -> None:
        self.file, self.range, self.place = file, known, known.reached

    def compare(self, indexes: Sequence[int], hashes: Sequence[bytes]) -> int | None:
        """Which of these leaves, given in order, is the first that has another hash."""
        at, differs = 0, None
        while at < len(indexes):
            begin, found = self.place, self.read(indexes[-1] + 1)
            while at < len(indexes) and indexes[at] < self.place:
                if found[indexes[at] - begin] != hashes[at] and differs is None:
                    differs = at
                at += 1
        return differs

    def read(self, end: int) -> list[bytes]:
        """A part of what is left up to `end`, which goes into the proof as well."""
        count = min(end - self.place, AT_ONCE // 32)
        data = self.file.read(count * 32)
        if len(data) != count * 32:
            raise Mismatch(f"{HASHES} ends before the range does.")
        found = [data[at : at + 32] for at in range(0, len(data), 32)]
        self.range.append(found)
        self.place += count
        return found

    def finish(self, end: int) -> None:
        while self.place < end:
            self.read(end)
        if self.file.read(1):
            raise Mismatch(f"{HASHES} goes on behind the end of the range.")


# Records that are missing


class Gaps:
    """Where a bundle holds hashes in place of records, and what its records tell of months that retention dropped."""

    def __init__(self, begin: int) -> None:
        self.next, self.gaps = begin, list[tuple[int, int]]()
        self.told: list[tuple[int, int, int]] = []  # begin, end, and how many of these at most

    def pass_by(self, indexes: Iterable[int]) -> None:
        for index in indexes:
            if index > self.next:
                self.gaps.append((self.next, index))
            self.next = index + 1

    def take_down(self, leaf: Mapping[str, Any], origin: str, size: int) -> None:
        """What is not told as retention tells it explains nothing."""
        detail = leaf.get("detail")
        if not isinstance(detail, dict) or not is_old(leaf.get("object"), leaf.get("ts")):
            return
        for tree in detail["trees"] if isinstance(detail.get("trees"), list) else []:
            if isinstance(tree, dict) and tree.get("origin") == origin:
                numbers: list[Any] = [tree.get("begin"), tree.get("end"), tree.get("records"), detail.get("records")]
                if all(type(one) is int and 0 <= one <= size for one in numbers):
                    begin, end, *counts = numbers
                    self.told.append((begin, end, min(counts)))

    def unexplained(self, end: int) -> int | None:
        """The first missing record that was not told to be dropped; the first of all where fewer were told."""
        self.pass_by([end])
        if sum(end - begin for begin, end in self.gaps) > sum(count for _, _, count in self.told):
            return self.gaps[0][0]
        told, reached = deque(sorted(self.told)), 0
        for begin, end in self.gaps:
            reached = max(reached, begin)
            while told and told[0][0] <= reached:
                reached = max(reached, told.popleft()[1])
            if reached < end:
                return reached
        return None


def is_old(month: object, moment: object) -> bool:
    """Whether six whole months lie between this month and the moment: none is dropped sooner."""
    numbers = [MONTH.match(one) if isinstance(one, str) else None for one in (month, moment)]
    first, then = (int(one[1]) * 12 + int(one[2]) if one else None for one in numbers)
    return first is not None and then is not None and then - first > 6 and len(str(month)) == 7


MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


# Disclosures and decisions


class Disclosures:
    """Personal values beside the leaves, which hold commitments to them. In the order of the leaves, as they are."""

    def __init__(self, given: Iterator[tuple[int, dict[str, Any]]], verdict: Verdict) -> None:
        self.given, self.verdict = given, verdict
        self.next: dict[str, Any] | None = None
        self.disclosed = self.redacted = 0
        self.redactions: dict[str, set[str]] = {}  # by the id of their record
        self.erased: dict[str, set[str]] = {}
        self.advance()

    def advance(self) -> None:
        try:
            self.next = next(self.given, (0, None))[1]
            if self.next is not None and type(self.next.get("index")) is not int:
                raise Mismatch(f"A line of {DISCLOSURES} names no record.")
        except Mismatch as fault:
            self.verdict.fail(str(fault))
            self.next = None

    def check(self, index: int, record: Remarkable) -> None:
        opened = set()
        for one in self.up_to(index):
            path, name = one.get("path"), called(index, record.id)
            if path in opened:
                self.verdict.fail(f"{name}: {path!r:.80} is disclosed twice.", (index, record.id))
            elif not isinstance(path, str) or path not in record.commitments:
                self.verdict.fail(f"{name} has no commitment to {path!r:.80}, which is disclosed.", (index, record.id))
            elif sealed(one) != record.commitments[path]:
                self.verdict.fail(f"{name}: what is disclosed as {path!r:.80} is not what was recorded.",
                                  (index, record.id))  # fmt: skip
            else:
                self.disclosed += 1
            opened.add(path)
        if hidden := {path for path in record.commitments if path not in opened}:
            self.redacted += len(hidden)
            if len(self.redactions) < MOST_REDACTIONS:
                self.redactions[record.id] = hidden
        if record.leaf:
            self.take_down_erasure(json_object(record.leaf, "The leaf"))

    def up_to(self, index: int) -> Iterator[dict[str, Any]]:
        while self.next is not None and self.next["index"] <= index:
            if self.next["index"] == index:
                yield self.next
            else:
                self.stray(self.next)
            self.advance()

    def stray(self, one: dict[str, Any]) -> None:
        self.verdict.fail(
            f"{DISCLOSURES} speaks of record {one['index']}, out of order or where nothing was committed to."
        )

    def take_down_erasure(self, leaf: dict[str, Any]) -> None:
        """`object` is the record whose values were erased; `detail.paths` says which, or all."""
        if leaf.get("action") == ERASED:
            detail = leaf.get("detail")
            paths = detail.get("paths") if isinstance(detail, dict) else None
            self.erased.setdefault(str(leaf.get("object")), set()).update(paths if isinstance(paths, list) else ["*"])

    def finish(self) -> None:
        while self.next is not None:
            self.stray(self.next)
            self.advance()
        explained = 0
        for record, paths in self.erased.items():
            hidden = self.redactions.get(record, set())
            explained += len(hidden if "*" in paths else hidden & paths)
        if not self.disclosed and not self.redacted:
            self.verdict.say("No personal values belong to these records.")
            return
        if withheld := self.redacted - explained:
            self.verdict.leave(f"{withheld:,} personal values are not here, and no record here tells that they were "
                               "erased.")  # fmt: skip
        known = f", {explained:,} of them by an erasure that is on record" if explained else ""
        self.verdict.say(f"{self.disclosed:,} personal values disclosed, as they were recorded; {self.redacted:,} "
                         f"redacted{known}.")  # fmt: skip


def sealed(one: dict[str, Any]) -> str:
    """The commitment to a disclosed value."""
    try:
        message = one["path"].encode() + b"\0" + canonical(one["value"]).encode()
        return hmac.digest(bytes.fromhex(one["salt"]), message, "sha256").hex()
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return ""


def called(index: int, identity: str) -> str:
    return f"Record {index}" + (f" ({identity})" if identity else "")


DECISION = b"countersign/decision/v1\0"  # before the payload, in the challenge that a passkey signs
PRESENT_AND_VERIFIED = 0x05  # flags of authenticator data: WebAuthn level 3 §6.1


def check_decision(
    entry: Mapping[str, Any], leaf: Mapping[str, Any], checkpoint: Checkpoint, keys: Sequence[VKey] = ()
) -> str:
    """How it was signed. The keys are those of the log, and of its earlier trees. Raises Mismatch."""
    try:
        payload = unbase64(entry["payload"])
        level, challenge = leaf["decision"]["level"], sha256(DECISION + payload).digest()
        check_payload(payload, challenge, leaf)
        if level != "passkey":
            return str(level)
        if "signature" not in entry:
            raise Mismatch("it was signed with a passkey, and the signature is not there.")
        if "list_digest" in leaf["detail"]:
            challenge = check_list(unbase64(entry["listed"]), payload, leaf)
        check_assertion(entry, challenge, str(leaf["log"]))
        check_enrolment(entry, leaf, checkpoint, keys)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Mismatch(f"something is missing or not of its kind ({type(fault).__name__}: {fault}).") from None
    return "passkey"


def check_payload(payload: bytes, challenge: bytes, leaf: Mapping[str, Any]) -> None:
    told, decision, said = leaf["detail"], leaf["decision"], json_object(payload, "the payload")
    if told["payload_digest"] != challenge.hex():
        raise Mismatch("the payload is not the one that was recorded.")
    pairs = {
        "decision": decision["effect"],
        "meaning": told["meaning"],
        "reviewer": leaf["actor"]["id"],
        "on_behalf_of": told.get("on_behalf_of"),
        "delegation": told.get("delegation"),
        "action_digest": told["action_digest"],
        "policy_digest": decision.get("policy_digest", said.get("policy_digest")),
        "review": told.get("review", said.get("review")),
        "action": told.get("of", said.get("action")),
    }
    for name, recorded in pairs.items():
        if said.get(name) != recorded:
            raise Mismatch(f"the record tells another {name.replace('_', ' ')} than what was signed.")


LIST = "countersign.decisions"


def check_list(listed: bytes, payload: bytes, leaf: Mapping[str, Any]) -> bytes:
    """Several decisions were signed at once, by a list of their digests. Gives what the passkey was asked to sign."""
    said, own = json_object(listed, "the list"), json_object(payload, "the payload")
    told, challenge = leaf["detail"], sha256(DECISION + listed).digest()
    if told["list_digest"] != challenge.hex():
        raise Mismatch("the list that was signed is not the one that was recorded.")
    expected = {"type": LIST, **{name: own[name] for name in ("team", "reviewer", "decision")}}
    if any(said.get(name) != value for name, value in expected.items()):
        raise Mismatch("the list that was signed is of something else.")
    if len(said["decisions"]) != said["count"] or said["decisions"].count(told["payload_digest"]) != 1:
        raise Mismatch("the list that was signed does not hold it once.")
    return challenge


def check_assertion(entry: Mapping[str, Any], challenge: bytes, log: str) -> None:
    """What a verifier of WebAuthn checks: level 3 §7.2. Counters are not compared."""
    client, data = unbase64(entry["client_data_json"]), unbase64(entry["authenticator_data"])
    said, origin = json_object(client, "the client data"), entry["origin"]
    if said["type"] != "webauthn.get" or said["challenge"] != urlsafe_b64encode(challenge).rstrip(b"=").decode():
        raise Mismatch("the passkey signed something else than the payload.")
    if said["origin"] != origin or origin.partition("://")[2] != log:
        raise Mismatch(f"the passkey signed at {said['origin']!r:.80}, which is not the console of this log.")
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise Mismatch("the passkey signed inside a page of another site.")
    if entry["rp_id"] != log.partition(":")[0] or data[:32] != sha256(entry["rp_id"].encode()).digest():
        raise Mismatch("the signature is of a passkey for another site.")
    if len(data) < 37 or data[32] & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED:
        raise Mismatch("the passkey did not ask its owner, or did not make sure who it was.")
    if not check_cose(unbase64(entry["public_key"]), data + sha256(client).digest(), unbase64(entry["signature"])):
        raise Mismatch("the signature of the passkey is wrong.")


def check_enrolment(
    entry: Mapping[str, Any], leaf: Mapping[str, Any], checkpoint: Checkpoint, keys: Sequence[VKey]
) -> None:
    """The key was enrolled, on record, before it signed, and by the person who is said to have decided."""
    enrolled, key = entry["enrolled"], sha256(unbase64(entry["public_key"])).hexdigest()
    text, index = enrolled["leaf"].encode(), enrolled["index"]
    proof = [unbase64(line) for line in enrolled["proof"]]
    earlier = "checkpoint" in enrolled  # before a restore, in the tree that it closed
    tree = earlier_tree(enrolled["checkpoint"], checkpoint.origin, keys) if earlier else checkpoint
    try:
        check_inclusion(index, tree.size, leaf_hash(text), proof, tree.root)
    except Mismatch as fault:
        raise Mismatch(f"the enrolment of the passkey is not in the log. {fault}") from None
    told = json_object(text, "the record of the enrolment")
    if (told["action"], told["log"], told["detail"]["public_key"]) != (ENROLLED, leaf["log"], key):
        raise Mismatch("the record of the enrolment is of another key.")
    later = not earlier and index >= entry["index"]
    if not told["object"] == entry["passkey"] == leaf["detail"]["passkey"] or later:
        raise Mismatch("the record of the enrolment is of another passkey, or later than the decision.")
    if told["detail"]["user"] != leaf["actor"]["id"]:
        raise Mismatch("the passkey was enrolled by another person.")


def earlier_tree(text: str, later: str, keys: Iterable[VKey]) -> Checkpoint:
    """Signed by a key of its own. Raises Mismatch."""
    note = parse_note(text)
    found = parse_checkpoint(note.body)
    if not is_earlier(found.origin, later):
        raise Mismatch(f"its passkey was enrolled in {found.origin}, which is no earlier tree of this log.")
    own = [vkey for vkey in keys if vkey.name == found.origin]
    if not own:
        raise KeyNeeded(f"its passkey was enrolled in {found.origin}: give the key of that tree too (--key).")
    if not check_signatures(note, own).verified:
        raise Mismatch(f"its passkey is said to be enrolled in {found.origin}, which no key of that tree signed.")
    return found


# Restores: leaf 0 of a tree names the end of the one before it

RESTORE = b"countersign/restore/v1\0"  # before the payload, as with decisions
SIGNED = ("before", "size", "root", "present", "present_size", "present_root")  # of leaf 0


def is_earlier(origin: str, later: str) -> bool:
    """Whether these are trees of one log: the same but for the number at the end."""
    (log, _, number), (same, _, following) = origin.rpartition("/"), later.rpartition("/")
    return log == same and all(map(NUMBER.fullmatch, (number, following))) and int(number) < int(following)


def check_restored(line: bytes, old: Checkpoint, origin: str, keys: Iterable[VKey]) -> tuple[int, str]:
    """What leaf 0 of the tree `origin` tells of the one that `old` is of, whose keys these are: with how many leaves it
    ended, and how. Raises Mismatch."""
    with lacking():
        detail = json_object(line, "The leaf")["detail"]
        check_end(detail, old, origin, keys)
        people = check_people(detail, origin)
        size, present = detail["size"], detail["present_size"] if detail["present"] == old.origin else 0
        lost = f"{size - present:,} signed leaves were lost, as {' and '.join(people)} signed"
        return size, f"{old.origin} ended with {size:,} leaves, {lost}"


def check_opened(line: bytes, origin: str) -> str:
    """Of leaf 0 alone, where nothing was kept of the tree before: who signed that the log goes on. Raises Mismatch."""
    with lacking():
        people = check_people(json_object(line, "The leaf")["detail"], origin)
    return f"The log goes on here after a restore, as {' and '.join(people)} signed."


@contextmanager
def lacking() -> Iterator[None]:
    """For what reads a leaf 0 that may be anybody's. Raises Mismatch."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Mismatch(f"leaf 0 lacks something ({type(fault).__name__}: {fault}).") from None


def check_end(detail: Mapping[str, Any], old: Checkpoint, origin: str, keys: Iterable[VKey]) -> None:
    note = parse_note(detail["note"])
    end, before = parse_checkpoint(note.body), detail["before"]
    if (before, detail["size"], detail["root"]) != (end.origin, end.size, end.root.hex()):
        raise Mismatch("leaf 0 names another end than the checkpoint that it holds.")
    if before != old.origin and before != detail["present"]:
        raise Mismatch(f"this cannot be followed: {before} came in between, and was lost as a whole.")
    if before != old.origin:
        raise Mismatch(f"the log was restored more than once, and {origin} goes on from {before}. Check a bundle of "
                       f"{before} with it first, and then this one with the checkpoint of that bundle.")  # fmt: skip
    if not check_signatures(note, keys).verified:
        raise Mismatch(f"the checkpoint in leaf 0 is not signed by the key of {before} that you gave.")
    if old.size > end.size or (old.size == end.size and old.root != end.root):
        raise Mismatch(f"leaf 0 says that {before} ended otherwise, with {end.size:,} leaves. The log does not tell "
                       "the truth: keep this checkpoint.")  # fmt: skip


def check_people(detail: Mapping[str, Any], origin: str) -> list[str]:
    """Raises Mismatch unless two of them have signed."""
    people = sorted({check_agreed(one, detail, origin) for one in detail["signatures"]})
    if len(people) < 2:
        raise Mismatch("fewer than two people have signed that a backup was put back.")
    return people


def check_agreed(entry: Mapping[str, Any], detail: Mapping[str, Any], origin: str) -> str:
    """Who signed that the log goes on, and over exactly what leaf 0 tells."""
    payload = unbase64(entry["payload"])
    check_assertion(entry, sha256(RESTORE + payload).digest(), origin.rpartition("/")[0])
    said = json_object(payload, "the payload")
    expected = {"type": "countersign.restore", "after": origin, **{name: detail[name] for name in SIGNED}}
    for name, told in expected.items():
        if said[name] != told:
            raise Mismatch(f"leaf 0 tells another {name.replace('_', ' ')} than what was signed.")
    return str(said["reviewer"])[:80]


# The verdicts

KEPT, REMEMBERED, BUNDLED = (
    "the checkpoint you kept", "the checkpoint remembered", "the earlier checkpoint in the bundle",
)  # fmt: skip
MOST_REDACTIONS = 100_000
MOST_COMPARED = 5_000_000
MOST_TOLD = 20  # problems of one verdict
ASPECTS = ("integrity", "completeness", "identity", "history", "witnesses", "decisions", "disclosures")
Bad = tuple[int, str]  # index, id


class Verdict:
    """`ok`; `open` where nothing is wrong but something is left to whoever reads; or `failed`."""

    def __init__(self) -> None:
        self.problems, self.left, self.said = list[str](), list[str](), list[str]()
        self.count = 0
        self.first_bad: Bad | None = None

    def fail(self, problem: str, bad: Bad | None = None) -> None:
        self.count += 1
        self.first_bad = self.first_bad or bad
        if len(self.problems) < MOST_TOLD:
            self.problems.append(problem)

    def leave(self, text: str) -> None:
        self.left.append(text)

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def fails(self) -> Iterator[None]:
        try:
            yield
        except Mismatch as fault:
            self.fail(str(fault))

    @property
    def state(self) -> str:
        return "failed" if self.problems else "open" if self.left else "ok"

    @property
    def texts(self) -> list[str]:
        more = self.count - len(self.problems)
        return [*self.problems, *([f"And {more:,} more."] if more else []), *self.left, *self.said]


class Options(NamedTuple):
    keys: Sequence[VKey] = ()
    policy: Policy | None = None
    since: str = ""  # a checkpoint that the auditor has kept
    state: str = ""  # the one remembered from the last time
    lint: bool = False
    jobs: int = 1


class Verification:
    def __init__(self, source: Source, options: Options) -> None:
        """Raises Unreadable."""
        self.source, self.options = source, options
        try:
            self.manifest = Manifest.parse(source.text(MANIFEST).encode())
        except Mismatch as fault:
            raise Unreadable(f"This is not a bundle: {fault}") from None
        self.verdicts = {aspect: Verdict() for aspect in ASPECTS}
        self.checkpoint: Checkpoint | None = None
        self.note = ""
        self.keys: Sequence[VKey] = ()  # of the log and its earlier trees: given, or as the bundle says
        self.log_keys: list[VKey] = []
        self.restored = b""  # leaf 0, when it tells of a restore
        self.gaps = Gaps(self.manifest.begin)
        self.decided: dict[int, bytes] = {}
        self.signatures: list[str] = []
        self.revoked: dict[str, int] = {}
        self.roots: dict[int, bytes] = {}  # at sizes that earlier checkpoints have, from the records themselves
        self.first_fault: tuple[Bad, str] | None = None
        self.records, self.read_all, self.proven = 0, False, False

    def run(self) -> None:
        integrity = self.verdicts["integrity"]
        with integrity.fails():
            self.check_files()
        with self.verdicts["identity"].fails():
            self.check_identity()
        if self.checkpoint is None:
            for aspect in ASPECTS:
                if aspect != "identity":
                    self.verdicts[aspect].fail("There is no checkpoint to check this against.")
            return
        self.check_witnesses()
        earlier = self.read_earlier(self.checkpoint)
        disclosures = Disclosures(self.disclosed(), self.verdicts["disclosures"])
        with integrity.fails():
            self.check_range(self.checkpoint, [old for _, old in earlier], disclosures)
        if self.read_all:
            disclosures.finish()
        else:
            self.verdicts["disclosures"].fail("They could not be checked, because the records could not be read.")
        self.judge_completeness(self.checkpoint)
        self.check_history(earlier, self.checkpoint)
        with self.verdicts["decisions"].fails():
            self.check_decisions(self.checkpoint)

    @property
    def failed(self) -> bool:
        return any(verdict.problems for verdict in self.verdicts.values())

    @property
    def first_bad(self) -> Bad | None:
        return min((v.first_bad for v in self.verdicts.values() if v.first_bad), default=None)

    def disclosed(self) -> Iterator[tuple[int, dict[str, Any]]]:
        return self.source.documents(DISCLOSURES) if DISCLOSURES in self.source.names else iter(())

    # The parts, each by its own rules

    def check_files(self) -> None:
        """Everything but the leaves, whose digest is taken while they are read."""
        integrity, listed = self.verdicts["integrity"], self.manifest.files
        for name in sorted(self.source.names - listed.keys() - {MANIFEST}):
            integrity.fail(f"{name} is in the bundle, and the manifest does not list it.")
        for name in sorted(REQUIRED - listed.keys()):
            integrity.fail(f"The manifest does not list {name}.")
        for name, expected in sorted(listed.items()):
            if name != LEAVES:
                with integrity.fails():
                    if self.source.digest(name) != expected:
                        integrity.fail(f"{name} is not the file that the manifest lists.")

    @property
    def pinned(self) -> list[VKey]:
        return [*self.options.keys, *(self.options.policy.logs if self.options.policy else [])]

    def bundled_policy(self) -> Policy | None:
        return Policy.parse(self.source.text("policy")) if "policy" in self.source.names else None

    def check_identity(self) -> None:
        self.note = self.source.text("checkpoint")
        note, manifest, verdict = parse_note(self.note), self.manifest, self.verdicts["identity"]
        self.checkpoint = checkpoint = parse_checkpoint(note.body)
        if (manifest.origin, manifest.size) != checkpoint[:2]:
            self.verdicts["integrity"].fail(
                f"The checkpoint is of {checkpoint.origin} with {checkpoint.size:,} records, "
                f"and the manifest tells of {manifest.origin} with {manifest.size:,}.")  # fmt: skip
        bundled = None if (pinned := self.pinned) else self.bundled_policy()
        self.keys = keys = pinned or (bundled.logs if bundled else [])
        self.log_keys = [vkey for vkey in keys if vkey.name == checkpoint.origin]
        if not self.log_keys:
            names = ", ".join(sorted({vkey.name for vkey in keys})) or "no log"
            raise Mismatch(f"This is the log {checkpoint.origin}, and there are only keys of {names}.")
        signers = check_signatures(note, self.log_keys)
        if not signers.verified:
            raise Mismatch(
                NOT_CHECKED if signers.unchecked else f"The checkpoint is not signed by a key of {checkpoint.origin}."
            )
        for vkey in signers.verified:
            if pinned:
                verdict.say(f"Signed by the log with the key that you gave: {vkey}")
            else:
                verdict.leave(f"Signed, but the key is not pinned: compare it with the key you were given: {vkey}")
        for vkey in signers.unchecked:
            verdict.say(f"Not checked: the signature with the ML-DSA-44 key {vkey.id.hex()}; it needs cryptography.")

    def check_witnesses(self) -> None:
        verdict, pinned = self.verdicts["witnesses"], self.options.policy
        with verdict.fails():
            policy = pinned or self.bundled_policy()
            if policy is None:
                verdict.leave("Not checked: there is no policy that names witnesses.")
                return
            signers = check_signatures(parse_note(self.note), policy.witnesses.values())
            for name, vkey in policy.witnesses.items():
                if vkey in signers.verified:
                    verdict.say(f"{name} ({vkey.name}) saw this checkpoint {moment_of(signers.verified[vkey])}.")
                elif vkey in signers.unchecked:
                    verdict.say(f"Not checked: the ML-DSA-44 cosignature of {name}; it needs cryptography.")
            if not policy.satisfied(signers.verified):
                raise Mismatch(f"The quorum {policy.quorum} is not reached: {len(signers.verified)} of "
                               f"{len(policy.witnesses)} witnesses have cosigned.")  # fmt: skip
            if receipts := sum(name.startswith("anchors/") for name in self.source.names):
                verdict.say(f"Not checked: {receipts:,} receipts of anchors.")
            if policy.quorum == "none" and pinned:
                verdict.say("Your policy asks for no witness.")
            elif policy.quorum == "none":
                verdict.leave("The log asks for no witness.")
            elif not pinned:
                verdict.leave("Which witnesses count says the bundle itself: give --policy to say it yourself.")

    def read_earlier(self, checkpoint: Checkpoint) -> list[tuple[str, Checkpoint]]:
        """The checkpoints that this one has to continue; each must be signed by the same log."""
        texts = {KEPT: self.options.since, REMEMBERED: self.options.state}
        if "previous-checkpoint" in self.source.names:
            with self.verdicts["history"].fails():
                texts[BUNDLED] = self.source.text("previous-checkpoint")
        earlier = []
        for what, text in texts.items():
            if text:
                try:
                    earlier.append((what, self.same_log(parse_note(text), checkpoint)))
                except Mismatch as fault:
                    self.verdicts["history"].fail(f"Of {what}: {fault}")
        return earlier

    def same_log(self, note: Note, checkpoint: Checkpoint) -> Checkpoint:
        old = parse_checkpoint(note.body)
        if is_earlier(old.origin, checkpoint.origin):
            if not check_signatures(note, self.keys_of(old.origin)).verified:
                raise Mismatch(f"it is of {old.origin}, and not signed by a key that you gave for that (--key).")
            return old
        if old.origin != checkpoint.origin:
            raise Mismatch(f"it is of {old.origin}, not of {checkpoint.origin}.")
        if not check_signatures(note, self.log_keys).verified:
            raise Mismatch("it is not signed by the key that signed the new one.")
        return old

    def keys_of(self, origin: str) -> list[VKey]:
        """Those that the auditor gave."""
        return [vkey for vkey in self.pinned if vkey.name == origin]

    def range_proof(self) -> tuple[list[bytes], list[bytes]]:
        header, place, *rest = self.source.text("range-proof.txt").split("\n")
        manifest = self.manifest
        if header != "countersign-range@v1" or rest[-1:] != [""] or "" not in rest[:-1]:
            raise Mismatch("range-proof.txt is not a range proof.")
        if place != f"{manifest.begin} {manifest.end} {manifest.size}":
            raise Mismatch("The range proof is about another range than the manifest.")
        middle = rest.index("")
        return [unbase64(line) for line in rest[:middle]], [unbase64(line) for line in rest[middle + 1 : -1]]

    def check_range(self, checkpoint: Checkpoint, earlier: list[Checkpoint], disclosures: Disclosures) -> None:
        manifest, integrity = self.manifest, self.verdicts["integrity"]
        proof = RangeCheck(manifest.begin, manifest.end, manifest.size, *self.range_proof())
        found, ledger = Range(proof, {old.size for old in earlier}), Ledger()
        differs = self.read_leaves(found, ledger, disclosures)
        self.read_all = True
        if manifest.files.get(LEAVES) != (ledger.size, ledger.digest.hexdigest()):
            integrity.fail(f"{LEAVES} is not the file that the manifest lists.")
        try:
            found.finish(checkpoint.root)
        except Mismatch as fault:
            self.blame(str(fault), differs)
            return
        self.roots, self.proven = found.roots, differs is None
        if differs:
            integrity.fail(f"{called(*differs)} was altered: the log has another hash at this place.", differs)
        elif self.first_fault:
            bad, text = self.first_fault
            integrity.fail(f"{called(*bad)} {text}.", bad)
        else:
            integrity.say(f"{self.records:,} records are what the log held when it signed its checkpoint.")

    def read_leaves(self, found: Range, ledger: Ledger, disclosures: Disclosures) -> Bad | None:
        """The first leaf, if any, that has another hash than `hashes.bin` says."""
        differs: tuple[int, int] | None = None  # index, number of the line
        with self.source.open(LEAVES) as file, self.known_hashes(found) as known:
            listed = self.listed_indexes()
            for one in examined(blocks(file, ledger), self.manifest.log, self.options.lint, self.options.jobs):
                places = self.places(len(one.hashes), listed)
                if listed is not None and not self.manifest.filter:
                    self.gaps.pass_by(places)
                if known is None:
                    found.append(one.hashes)
                elif (at := known.compare(places, one.hashes)) is not None and differs is None:
                    differs = places[at], self.records + at
                self.take_down(one, places, disclosures)
                self.records += len(one.hashes)
            if known is not None:
                known.finish(self.manifest.end)
            if listed is not None and next(listed, None) is not None:
                raise Mismatch(f"{INDEXES} names more records than {LEAVES} holds.")
        return (differs[0], self.id_in_line(differs[1])) if differs else None

    @contextmanager
    def known_hashes(self, found: Range) -> Iterator[KnownHashes | None]:
        if HASHES not in self.source.names:
            yield None
            return
        with self.source.open(HASHES) as file:
            yield KnownHashes(file, found)

    def listed_indexes(self) -> Iterator[int] | None:
        """None where the leaves are those of the range, one after the other."""
        if INDEXES not in self.source.names:
            return None
        if HASHES not in self.source.names:
            raise Mismatch(f"{HASHES} is missing, which belongs to {INDEXES}.")
        return self.ascending(self.source.lines(INDEXES))

    def ascending(self, lines: Iterator[bytes]) -> Iterator[int]:
        before = self.manifest.begin - 1
        for line in lines:
            index = int(line) if NUMBER.fullmatch(line.decode("latin-1")) else -1
            if not before < index < self.manifest.end:
                raise Mismatch(f"{INDEXES} is not a list of growing indexes within the range.")
            yield index
            before = index

    def places(self, count: int, listed: Iterator[int] | None) -> Sequence[int]:
        begin = self.manifest.begin + self.records
        places = range(begin, begin + count) if listed is None else list(islice(listed, count))
        if len(places) < count:
            raise Mismatch(f"{LEAVES} holds more records than {INDEXES} names.")
        return places

    def take_down(self, one: Examined, places: Sequence[int], disclosures: Disclosures) -> None:
        if one.fault and self.first_fault is None:
            line, identity, text = one.fault
            self.first_fault = (places[line], identity), text
        for record in one.remarkable:
            index = places[record.line]
            disclosures.check(index, record)
            if record.leaf:
                leaf = json_object(record.leaf, "The leaf")
                if leaf["action"] == DECIDED:
                    self.decided[index] = record.leaf
                elif leaf["action"] == REVOKED:
                    self.revoked.setdefault(str(leaf.get("object")), index)
                elif leaf["action"] == RESTORED and index == 0:
                    self.restored = record.leaf
                elif leaf["action"] == PRUNED:
                    self.gaps.take_down(leaf, self.manifest.origin, self.manifest.size)

    def blame(self, fault: str, differs: Bad | None) -> None:
        """The range as a whole is not what was signed: say as much as can be known about where."""
        integrity = self.verdicts["integrity"]
        if differs:
            integrity.fail(f"{fault} {called(*differs)} has another hash than {HASHES} says.", differs)
        elif self.first_fault:
            bad, text = self.first_fault
            integrity.fail(f"{fault} {called(*bad)} {text}.", bad)
        elif INDEXES not in self.source.names and (twice := self.first_duplicate()):
            bad, text = twice
            integrity.fail(f"{fault} {called(*bad)} {text}.", bad)
        else:
            begin, end = self.damaged_part()
            integrity.fail(
                f"{fault} Some record between {begin:,} and {end - 1:,} was altered, dropped, added or moved."
            )

    def damaged_part(self) -> tuple[int, int]:
        """The first chunk of the manifest that its leaves do not match, or all of the range."""
        with self.source.open(LEAVES) as file:
            for chunk in self.manifest.chunks:
                left, digest = chunk.bytes, sha256()
                while left and (data := file.read(min(left, AT_ONCE))):
                    digest.update(data)
                    left -= len(data)
                if left or digest.hexdigest() != chunk.sha256:
                    return chunk.begin, chunk.end
        return self.manifest.begin, self.manifest.end

    def first_duplicate(self) -> tuple[Bad, str] | None:
        """An id, or a writer's number, that was there before. Only looked for when something is wrong."""
        seen = set[int]()
        for number, line in enumerate(islice(self.source.lines(LEAVES), MOST_COMPARED)):
            with suppress(Mismatch, KeyError, TypeError):
                leaf = json_object(line, "The leaf")
                bad = self.manifest.begin + number, id_of(leaf)
                for what in ((leaf["id"],), (leaf["writer"]["id"], leaf["writer"]["seq"])):
                    if hash(what) in seen:
                        return bad, f"repeats the {'id' if len(what) == 1 else 'number'} of an earlier one"
                    seen.add(hash(what))
        return None

    def id_in_line(self, number: int) -> str:
        with suppress(Mismatch):
            for line in islice(self.source.lines(LEAVES), number, number + 1):
                return id_of(json_object(line, "The leaf"))
        return ""

    def judge_completeness(self, checkpoint: Checkpoint) -> None:
        verdict, manifest = self.verdicts["completeness"], self.manifest
        asked, last = manifest.end - manifest.begin, manifest.end - 1
        if manifest.records != self.records and self.read_all:
            verdict.fail(f"The manifest tells of {manifest.records:,} records, and the bundle holds {self.records:,}.")
        if INDEXES not in self.source.names and self.records != asked and self.read_all:
            verdict.fail(f"The range has {asked:,} records, and the bundle holds {self.records:,}.")
        if not self.proven:
            verdict.fail("Nothing is known about completeness while the records do not lead to the signed root.")
        elif self.records == asked and not asked:
            verdict.say("The range is empty.")
        elif self.records == asked:
            verdict.say(f"Complete: all {asked:,} records from {manifest.begin:,} to {last:,}.")
        elif manifest.filter:
            verdict.say(f"Range complete, filter asserted: {self.records:,} of the {asked:,} records from "
                        f"{manifest.begin:,} to {last:,}, chosen by {canonical(manifest.filter)}. The others are there "
                        "as hashes; that none of them fits the filter, the exporter says.")  # fmt: skip
        else:
            self.judge_missing(verdict, f"{asked - self.records:,} of the {asked:,} records from {manifest.begin:,} to "
                               f"{last:,} are there only as hashes")  # fmt: skip
        if manifest.end < checkpoint.size:
            verdict.say(f"The log held {checkpoint.size:,} records; {checkpoint.size - manifest.end:,} newer ones were "
                        "not asked for.")  # fmt: skip

    def judge_missing(self, verdict: Verdict, text: str) -> None:
        """A record that tells of a dropped month comes after all of that month: it is newer than some ranges, and may
        stand in the next tree where this one was closed."""
        manifest, first = self.manifest, self.gaps.unexplained(self.manifest.end)
        if first is None:
            verdict.leave(f"{text}: retention dropped them, as records of this bundle tell.")
        elif manifest.end < manifest.size or manifest.told.get("closed") is True:
            verdict.leave(f"{text}, and no filter says why. Retention may have removed them; what would tell of it "
                          "comes after this range.")  # fmt: skip
        else:
            verdict.fail(f"{text}, and neither a filter nor a record of this bundle says why, of record {first:,} for "
                         "one. If a month was being dropped when this was written, another export says so.",
                         (first, ""))  # fmt: skip

    def check_history(self, earlier: list[tuple[str, Checkpoint]], checkpoint: Checkpoint) -> None:
        verdict = self.verdicts["history"]
        for what, old in earlier:
            try:
                if old.origin != checkpoint.origin:
                    self.follow_restore(what, old, checkpoint)
                    continue
                how = self.check_continues(what, old, checkpoint)
                verdict.say(f"Nothing was rewritten since {what} ({old.size:,} records): {how}.")
            except Mismatch as fault:
                verdict.fail(f"Of {what} ({old.size:,} records): {fault}")
        if self.restored and self.proven and all(old.origin == checkpoint.origin for _, old in earlier):
            try:
                verdict.say(check_opened(self.restored, checkpoint.origin))
            except Mismatch as fault:
                verdict.fail(f"Of {checkpoint.origin}, which was opened after a restore: {fault}", (0, ""))
        if not self.options.since and not self.options.state and not verdict.problems:
            verdict.leave("No earlier checkpoint of your own was given (--since, --state).")

    def follow_restore(self, what: str, old: Checkpoint, checkpoint: Checkpoint) -> None:
        """Raises Mismatch."""
        if not self.proven:
            raise Mismatch("nothing is known about it while the records do not lead to the signed root.")
        if not self.restored:
            raise Mismatch(f"it is of {old.origin}, and there is no leaf 0 here that tells how the log went on after "
                           "it. Export from the beginning, without a filter.")  # fmt: skip
        end, how = check_restored(self.restored, old, checkpoint.origin, self.keys_of(old.origin))
        self.verdicts["history"].say(f"Since {what} the log goes on after a restore: {how}.")
        if old.size < end:
            self.verdicts["history"].leave(f"Not shown here: that these {end:,} began with the {old.size:,} of {what}. "
                                           f"Check a bundle of {old.origin} with it as well.")  # fmt: skip

    def check_continues(self, what: str, old: Checkpoint, checkpoint: Checkpoint) -> str:
        """How it was found out. Raises Mismatch."""
        if old.size > checkpoint.size:
            raise Mismatch(f"it is newer than the one of the bundle, which has {checkpoint.size:,} records.")
        if old.size in self.roots and what != BUNDLED:
            if self.roots[old.size] != old.root:
                raise Mismatch("the log was rewritten: these records lead to another root than it was signed with.")
            return "the records of the bundle lead to its root"
        proof = self.consistency_proof(old)
        if proof is None and 0 < old.size < checkpoint.size:
            raise Mismatch(
                "the bundle does not prove that it continues this. Export again, and hand this checkpoint in."
            )
        try:
            check_consistency(old.size, checkpoint.size, old.root, checkpoint.root, proof or [])
        except Mismatch as fault:
            raise Mismatch(f"the bundle does not continue it; the log may have been rewritten. {fault}") from None
        return "by the consistency proof" if proof else "it is the same tree"

    def consistency_proof(self, old: Checkpoint) -> list[bytes] | None:
        """That of the bundle, when it begins at a tree of this size."""
        if not {"previous-checkpoint", "consistency.txt"} <= self.source.names:
            return None
        before = parse_checkpoint(parse_note(self.source.text("previous-checkpoint")).body)
        if before[:2] != old[:2]:
            return None
        *lines, rest = self.source.text("consistency.txt").split("\n")
        if rest:
            raise Mismatch("consistency.txt does not end with a whole line.")
        return [unbase64(line) for line in lines]

    def check_decisions(self, checkpoint: Checkpoint) -> None:
        verdict, levels, left = self.verdicts["decisions"], dict[str, int](), dict(self.decided)
        if not self.read_all:
            raise Mismatch("The decisions could not be checked, because the records could not be read.")
        if DECISIONS in self.source.names:
            for number, entry in self.source.documents(DECISIONS):
                index = entry.get("index")
                line = left.pop(index, None) if type(index) is int else None
                if line is None:
                    verdict.fail(f"Line {number} of {DECISIONS} speaks of record {index!r:.80}, no decision here.")
                else:
                    self.check_one_decision(entry, line, checkpoint, levels)
        for index, line in left.items():
            leaf = json_object(line, "The leaf")
            level, bad = level_of(leaf), (index, id_of(leaf))
            if level == "passkey":
                verdict.fail(f"{called(*bad)} was signed with a passkey, and {DECISIONS} does not hold it.", bad)
            else:
                levels[f"{level}, without payload"] = levels.get(f"{level}, without payload", 0) + 1
        counted = [f"{count:,} by {level}" for level, count in sorted(levels.items())]
        verdict.say(f"Decisions: {', '.join(counted)}." if counted else "There are no decisions among these records.")

    def check_one_decision(
        self, entry: dict[str, Any], line: bytes, checkpoint: Checkpoint, levels: dict[str, int]
    ) -> None:
        leaf = json_object(line, "The leaf")
        bad = entry["index"], id_of(leaf)
        try:
            level = check_decision(entry, leaf, checkpoint, self.keys)
            if self.revoked.get(str(entry.get("passkey")), bad[0]) < bad[0]:
                raise Mismatch("the passkey had been revoked before.")
            levels[level] = levels.get(level, 0) + 1
            self.signatures.append(manifestation(entry, leaf, level))
        except KeyNeeded as reason:
            self.verdicts["decisions"].leave(f"{called(*bad)}: {reason}")
        except Mismatch as fault:
            self.verdicts["decisions"].fail(f"{called(*bad)}: {fault}", bad)


def manifestation(entry: Mapping[str, Any], leaf: Mapping[str, Any], level: str) -> str:
    """Printed name, time and meaning (21 CFR 11.50), of a decision that was checked. The id of a person whose name was
    not signed."""
    said = json_object(unbase64(entry["payload"]), "the payload")
    name = said.get("name") or said["reviewer"]
    return f"{leaf['ts']}  {name}: “{said['meaning']}”  by {level}, record {entry['index']:,}"


def level_of(leaf: Mapping[str, Any]) -> str:
    decision = leaf.get("decision")
    return str(decision.get("level")) if isinstance(decision, dict) else "unknown means"


def moment_of(seconds: int | None) -> str:
    if seconds is None:
        return "and does not say when"
    try:
        return f"at {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"at {seconds} seconds since 1970"


# The command


def main(arguments: list[str]) -> int:
    asked = read_arguments(arguments)
    if asked.pure:
        os.environ[PURE] = "1"
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        verification = Verification(Source(asked.bundle), options_of(asked))
    except (Unreadable, Mismatch, OSError) as fault:
        print(
            json.dumps({"ok": False, "error": str(fault)}) if asked.json else printable(f"Could not be read. {fault}")
        )
        return 2
    verification.run()
    if asked.state and not verification.failed:
        remember(asked.state, verification.note)
    signatures = verification.signatures if asked.signatures else None
    text = json.dumps(as_json(verification), indent=1) if asked.json else as_text(verification, signatures)
    print(text if asked.json else printable(text))
    return 1 if verification.failed else 0


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("bundle", type=Path, help="a ZIP file or a directory")
    add("--key", action="append", default=[], metavar="VKEY", help="the log's verifier key, given to you in a safe way")
    add("--policy", type=Path, metavar="FILE", help="your own policy (tlog-policy): logs, witnesses, quorum")
    add("--since", type=Path, metavar="FILE", help="a checkpoint you have kept: this bundle has to continue it")
    add("--state", type=Path, metavar="FILE", help="remember the checkpoint here; the next bundle has to continue it")
    add("--lint", action="store_true", help="also demand that each record is canonical JSON")
    add("--signatures", action="store_true", help="say of each decision who made it, when, and what it means")
    add("--json", action="store_true", help="for machines")
    add("--jobs", type=int, default=1, metavar="N", help="processes that read records")
    add("--pure", action="store_true", help="do not use the package cryptography, even if it is installed")
    return parser.parse_args(arguments)


def options_of(asked: argparse.Namespace) -> Options:
    """Raises Mismatch and OSError."""
    policy = Policy.parse(read_text(asked.policy)) if asked.policy else None
    since = read_text(asked.since) if asked.since else ""
    state = read_text(asked.state) if asked.state and asked.state.exists() else ""
    return Options([VKey.parse(key) for key in asked.key], policy, since, state, asked.lint, asked.jobs)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Mismatch(f"{path} is not UTF-8.") from None


def remember(path: Path, note: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(note, encoding="utf-8", newline="\n")
    draft.replace(path)


def as_json(verification: Verification) -> dict[str, object]:
    manifest, checkpoint = verification.manifest, verification.checkpoint
    bad = verification.first_bad
    return {
        "ok": not verification.failed,
        "origin": manifest.origin,
        "begin": manifest.begin,
        "end": manifest.end,
        "size": manifest.size,
        "root": checkpoint.root.hex() if checkpoint else None,
        "records": verification.records,
        "first_bad": {"index": bad[0], "id": bad[1]} if bad else None,
        "verdicts": {
            aspect: {"state": one.state, "problems": one.problems, "open": one.left, "said": one.said}
            for aspect, one in verification.verdicts.items()
        },
    }


def as_text(verification: Verification, signatures: Sequence[str] | None = None) -> str:
    manifest, told = verification.manifest, verification.manifest.told
    lines = [
        f"Log     {manifest.origin}",
        f"Range   records {manifest.begin:,} to {manifest.end - 1:,} of {manifest.size:,}",
        f"Export  {told.get('export', '')} by {told.get('made_by', '')}, {told.get('made_at', '')}",
        "",
    ]
    for aspect, verdict in verification.verdicts.items():
        label = verdict.state if verdict.state == "ok" else verdict.state.upper()
        for number, text in enumerate(verdict.texts or [""]):
            lines.append(f"{'' if number else label:8}{'' if number else aspect:14}{text}".rstrip())
    if signatures is not None:
        lines += ["", "Signatures", *(f"        {one}" for one in signatures)]
    bad = verification.first_bad
    end = "FAILED. This bundle is not what it says." if verification.failed else "Nothing is wrong."
    if not verification.failed and any(verdict.left for verdict in verification.verdicts.values()):
        end = "Nothing is wrong. What is marked OPEN is left to you."
    return "\n".join([*lines, "", *([f"First bad record: {bad[0]} {bad[1]}"] if bad else []), end])


def printable(text: str) -> str:
    """Texts from the bundle are a stranger's: none may steer the terminal."""
    return "".join(one if one == "\n" or one.isprintable() else "?" for one in text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
