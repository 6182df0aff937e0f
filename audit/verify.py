#!/usr/bin/env python3
"""Checks an exported bundle of the log offline: `python3 verify.py BUNDLE`. One file, and nothing but Python 3.11.

The formats are public: RFC 6962 trees, and C2SP's signed notes, checkpoints and cosignatures.
"""

from __future__ import annotations

import binascii
import os
import re
import struct
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256, sha512
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

EMPTY = sha256().digest()
BLOCK = 256  # leaves that are folded level by level, which is faster than one by one

Node = tuple[int, int]  # (level, index): the complete subtree over the leaves from index · 2**level on


class Mismatch(Exception):
    """Something does not fit what it is checked against."""


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
    if not signers.verified and signers.unchecked:
        raise Mismatch(
            "Only ML-DSA-44 keys have signed this checkpoint; to check them, the package cryptography is needed."
        )
    if not signers.verified:
        raise Mismatch("None of the given keys has signed this checkpoint.")
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
