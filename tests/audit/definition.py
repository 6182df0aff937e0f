"""The definitions of RFC 6962, as they stand there: slow, and hard to get wrong."""

from functools import cache
from hashlib import sha256

from audit.verify import Node, leaf_hash

LEAVES = [leaf_hash(number.to_bytes(4)) for number in range(70_000)]


def largest_power_below(n: int) -> int:
    power = 1
    while power * 2 < n:
        power *= 2
    return power


@cache
def mth(begin: int, end: int) -> bytes:
    """MTH(D[begin:end]) of RFC 6962 §2.1, over leaves that are hashed already."""
    if begin == end:
        return sha256(b"").digest()
    if end - begin == 1:
        return LEAVES[begin]
    k = largest_power_below(end - begin)
    return sha256(b"\1" + mth(begin, begin + k) + mth(begin + k, end)).digest()


def path(m: int, begin: int, end: int) -> list[bytes]:
    """PATH(m, D[begin:end]) of §2.1.1."""
    if end - begin == 1:
        return []
    k = largest_power_below(end - begin)
    if m < k:
        return [*path(m, begin, begin + k), mth(begin + k, end)]
    return [*path(m - k, begin + k, end), mth(begin, begin + k)]


def subproof(m: int, begin: int, end: int, known: bool) -> list[bytes]:
    """SUBPROOF(m, D[begin:end], b) of §2.1.2."""
    if m == end - begin:
        return [] if known else [mth(begin, end)]
    k = largest_power_below(end - begin)
    if m <= k:
        return [*subproof(m, begin, begin + k, known), mth(begin + k, end)]
    return [*subproof(m - k, begin + k, end, False), mth(begin, begin + k)]


def read(node: Node) -> bytes:
    level, index = node
    return mth(index << level, (index + 1) << level)
