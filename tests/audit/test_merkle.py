"""Proofs against the definitions of RFC 6962; and whatever is altered in one, it is refused."""

from collections.abc import Callable, Sequence
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audit.merkle import (
    HASH,
    Read,
    consistency_proof,
    inclusion_proof,
    tree_root,
)
from audit.verify import (
    EMPTY,
    Frontier,
    Mismatch,
    RangeCheck,
    check_consistency,
    check_inclusion,
    cover,
    leaf_hash,
    node_hash,
    range_nodes,
)
from tests.audit.definition import LEAVES, mth, path, read, subproof

MOST = 300


def refused(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except Mismatch:
        return True
    return False


def test_the_empty_tree_has_the_published_root() -> None:
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier().root == tree_root(0, read) == mth(0, 0) == EMPTY


def test_every_inclusion_proof_is_that_of_the_definition_and_holds() -> None:
    for size in range(1, MOST + 1):
        assert tree_root(size, read) == mth(0, size)
        for index in range(size):
            proof = inclusion_proof(index, size, read)
            assert proof == path(index, 0, size)
            check_inclusion(index, size, LEAVES[index], proof, mth(0, size))


def test_every_consistency_proof_is_that_of_the_definition_and_holds() -> None:
    for new in range(MOST + 1):
        for old in range(new + 1):
            proof = consistency_proof(old, new, read)
            assert proof == ([] if old == 0 else subproof(old, 0, new, True))
            check_consistency(old, new, mth(0, old), mth(0, new), proof)


def range_check(begin: int, end: int, size: int) -> RangeCheck:
    left, right = range_nodes(begin, end, size)
    return RangeCheck(begin, end, size, [read(node) for node in left], [read(node) for node in right])


def test_every_range_of_every_small_tree_is_proven() -> None:
    for size in range(41):
        for begin in range(size + 1):
            for end in range(begin, size + 1):
                check = range_check(begin, end, size)
                check.append(LEAVES[begin:end])
                check.finish(mth(0, size))


SIZES = st.integers(1, MOST)


@st.composite
def ranges(draw: st.DrawFn, most: int = MOST) -> tuple[int, int, int]:
    begin, end, size = sorted(draw(st.tuples(*[st.integers(0, most)] * 3)))
    return begin, end, size


@given(ranges(70_000), st.lists(st.integers(1, 3_000), max_size=20))
def test_a_range_is_proven_in_whatever_parts_it_comes(span: tuple[int, int, int], parts: list[int]) -> None:
    begin, end, size = span
    check = range_check(begin, end, size)
    while begin < end:
        count = parts.pop() if parts else 10_000
        check.append(LEAVES[begin : min(begin + count, end)])
        begin += count
    check.finish(mth(0, size))


def altered(draw: st.DrawFn, hashes: Sequence[bytes]) -> list[bytes]:
    """One bit of one hash flipped, one taken out, one put in, or two changed about."""
    found, at = list(hashes), draw(st.integers(0, max(len(hashes) - 1, 0)))
    other = draw(st.integers(0, max(len(hashes) - 1, 0)))
    match draw(st.sampled_from(["flip", "drop", "add", "repeat", "swap"])):
        case "flip" if found:
            bit = draw(st.integers(0, HASH * 8 - 1))
            found[at] = found[at][: bit // 8] + bytes([found[at][bit // 8] ^ 1 << bit % 8]) + found[at][bit // 8 + 1 :]
        case "drop" if found:
            del found[at]
        case "repeat" if found:
            found.insert(at, found[at])
        case "swap" if found:
            found[at], found[other] = found[other], found[at]
        case _:
            found.insert(at, draw(st.binary(min_size=HASH, max_size=HASH)))
    return found


@given(st.data())
def test_an_altered_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, read)
    wrong = data.draw(st.composite(altered)(proof))
    assume(wrong != proof)
    assert refused(check_inclusion, index, size, LEAVES[index], wrong, mth(0, size))


@given(st.data())
def test_an_inclusion_proof_serves_one_leaf_at_one_place_in_one_tree(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    proof, root = inclusion_proof(index, size, read), mth(0, size)
    assert refused(check_inclusion, index, size, LEAVES[other], proof, root)
    assert refused(check_inclusion, other, size, LEAVES[index], proof, root)
    assert refused(check_inclusion, index, size, LEAVES[index], proof, mth(0, size - 1))
    assert refused(check_inclusion, size, size, LEAVES[index], proof, root)
    assert refused(check_inclusion, -1, size, LEAVES[index], proof, root)


@given(st.data())
def test_an_altered_consistency_proof_is_refused(data: st.DataObject) -> None:
    old, new = sorted(data.draw(st.tuples(SIZES, SIZES)))
    proof = consistency_proof(old, new, read)
    wrong = data.draw(st.composite(altered)(proof))
    assume(wrong != proof)
    assert refused(check_consistency, old, new, mth(0, old), mth(0, new), wrong)


@given(st.data())
def test_a_consistency_proof_does_not_serve_other_trees(data: st.DataObject) -> None:
    old, new = sorted(data.draw(st.lists(SIZES, min_size=2, max_size=2, unique=True)))
    proof = consistency_proof(old, new, read)
    for roots in [(mth(1, old + 1), mth(0, new)), (mth(0, old), mth(1, new + 1)), (mth(0, new), mth(0, old))]:
        assert refused(check_consistency, old, new, *roots, proof)
    assert refused(check_consistency, new, old, mth(0, new), mth(0, old), proof)
    assert refused(check_consistency, old, old, mth(0, old), mth(0, new), [])
    assert refused(check_consistency, 0, new, mth(0, old), mth(0, new), [])


@given(st.data())
def test_a_range_with_anything_altered_is_refused(data: st.DataObject) -> None:
    begin, end, size = data.draw(ranges())
    left, right = ([read(node) for node in nodes] for nodes in range_nodes(begin, end, size))
    parts = [left, LEAVES[begin:end], right]
    which = data.draw(st.integers(0, 2))
    wrong = data.draw(st.composite(altered)(parts[which]))
    assume(wrong != parts[which])
    parts[which] = wrong

    def check() -> None:
        proof = RangeCheck(begin, end, size, parts[0], parts[2])
        proof.append(parts[1])
        proof.finish(mth(0, size))

    assert refused(check)


@pytest.mark.parametrize("span", [(-1, 0, 1), (1, 0, 1), (0, 2, 1)])
def test_what_is_no_part_of_a_tree_has_no_proof(span: tuple[int, int, int]) -> None:
    with pytest.raises(Mismatch):
        range_nodes(*span)
    for index, size in [(-1, 5), (5, 5), (0, 0)]:
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_proof(index, size, read)
    with pytest.raises(ValueError, match="is not the beginning"):
        consistency_proof(6, 5, read)


def huge(special: frozenset[int]) -> Read:
    """A tree of equal leaves, but for the special ones."""

    @cache
    def node(level: int, index: int) -> bytes:
        if not any(one >> level == index for one in special):
            index = -1
        if level == 0:
            return leaf_hash(b"" if index < 0 else index.to_bytes(8))
        below = (index * 2, index * 2 + 1) if index >= 0 else (-1, -1)
        return node_hash(node(level - 1, below[0]), node(level - 1, below[1]))

    return lambda place: node(*place)


@given(st.data())
def test_proofs_of_huge_trees_hold(data: st.DataObject) -> None:
    old, new = sorted(data.draw(st.tuples(*[st.integers(1, 2**40)] * 2)))
    index = data.draw(st.integers(0, old - 1))
    special = huge(frozenset({index, *data.draw(st.lists(st.integers(0, new - 1), max_size=3))}))
    roots = tree_root(old, special), tree_root(new, special)
    leaf = special((0, index))
    for size, root in zip((old, new), roots, strict=True):
        proof = inclusion_proof(index, size, special)
        assert len(proof) <= 41
        check_inclusion(index, size, leaf, proof, root)
        assert refused(check_inclusion, index, size, leaf_hash(b"another"), proof, root)
    check_consistency(old, new, *roots, consistency_proof(old, new, special))


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_cover_is_exact_in_order_and_small(one: int, other: int) -> None:
    begin, end = sorted((one, other))
    place = begin
    for level, index in cover(begin, end):
        assert index << level == place
        place += 1 << level
    assert place == end
    assert len(list(cover(begin, end))) <= 2 * 41
