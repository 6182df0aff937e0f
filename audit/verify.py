#!/usr/bin/env python3
"""Checks an exported bundle of the log offline: `python3 verify.py BUNDLE`. One file, and nothing but Python 3.11.

The formats are public: RFC 6962 trees, and C2SP's signed notes, checkpoints and cosignatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

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
