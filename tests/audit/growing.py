"""Logs that grow in memory, and fork: what a witness and an anchor are given."""

from collections.abc import Sequence
from hashlib import sha256

from audit.merkle import consistency_proof, tree_root
from audit.note import SigningKey, checkpoint_body, sign_note
from audit.verify import Node, fold, leaf_hash


class Log:
    def __init__(self, origin: str = "log.example/1", keys: Sequence[SigningKey] = (), leaves: Sequence[bytes] = ()):
        self.origin = origin
        self.keys = list(keys) or [SigningKey.generate(origin)]
        self.leaves = list(leaves)

    @property
    def size(self) -> int:
        return len(self.leaves)

    def grow(self, count: int = 1, word: str = "leaf") -> "Log":
        self.leaves += [leaf_hash(f"{word} {self.size + i}".encode()) for i in range(count)]
        return self

    def fork(self, size: int) -> "Log":
        """The same keys, and the same leaves up to here."""
        return Log(self.origin, self.keys, self.leaves[:size])

    def body(self, size: int | None = None) -> str:
        size = self.size if size is None else size
        return checkpoint_body(self.origin, size, tree_root(size, self._read))

    def note(self, size: int | None = None) -> str:
        return sign_note(self.body(size), self.keys)

    def proof(self, old: int, new: int | None = None) -> list[bytes]:
        return consistency_proof(old, self.size if new is None else new, self._read)

    def _read(self, node: Node) -> bytes:
        level, index = node
        return fold(self.leaves[index << level : (index + 1) << level])


def origin_hash(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()
